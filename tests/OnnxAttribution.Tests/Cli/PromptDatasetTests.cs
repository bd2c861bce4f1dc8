using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Many prompts in one dataset: <c>graph --prompts</c>.</summary>
public sealed partial class PromptDatasetTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private const string Rows = "SELECT * EXCLUDE (run), run FROM {0} {1} ORDER BY ALL";

    private static readonly string[] s_prompts =
        ["""{"prompt": "Hello", "target": "x", "id": "one"}""", """{"prompt": "a longer prompt"}""",
            """{"prompt": "Hello", "patch_prompt": "Jelly", "id": 7}""", """{"prompt": "abc", "id": "d"}""",
            """{"prompt": "WGlT", "id": "e"}"""];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(""), InlineData("--edges exact"), InlineData("--heads"), InlineData("--all-nodes"), InlineData("--aggregate sum"),
        InlineData("--metric logit-diff")]
    public void It_holds_what_a_run_per_prompt_holds(string options)
    {
        Dataset("set", $"--part-size 2 {options}").Done();
        Graph("runs", $"--no-page {options.Replace("--all-nodes", "")}").Done();

        Assert.Equal(Answer("runs", "nodes", options == "--all-nodes" ? "" : "WHERE kept"), Answer("set", "nodes"));
        Assert.Equal(Answer("runs", "edges"), Answer("set", "edges"));
        if (options == "--heads") Assert.Equal(Answer("runs", "heads"), Answer("set", "heads"));
        var foil = options.Contains("logit-diff") ? "foil, foil_id, " : "";
        var facts = $"SELECT run, prompt, patch_prompt, target, target_id, {foil}clean_metric::FLOAT, patch_metric::FLOAT, "
            + "nodes, kept_nodes, edges, explained_by_features FROM runs ORDER BY run";
        Assert.Equal(Query("runs", facts), Query("set", facts));
        Assert.Equal(Query("set", "FROM runs"), Query("set", "FROM prompts"));
    }

    [Fact]
    public void A_line_without_the_metrics_position_fails_alone()
    {
        var run = Dataset("set", "--position 4");
        Assert.Equal(1, run.Code);
        Assert.Contains("line 4: position 4 is outside the prompt, whose tokens are 0 to 3", run.Error);
        Assert.Equal(1, run.Error.Split("outside the prompt").Length - 1);
        Assert.Contains("4", Query("set", "SELECT count(*) FROM prompts WHERE error IS NULL"));
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "a", "--position", "7", "--out", _directory["one"])
            .Failed(1, "position 7 is outside the prompt, whose tokens are 0 to 1");
    }

    [Fact]
    public void Features_lie_together_so_that_few_row_groups_hold_one()
    {
        Dataset("set", "--part-size 5").Done();
        string Column(string columns, string from) => Query("set", $"SELECT {columns} FROM {from}");
        Assert.Equal(Column("site, feature", "(FROM nodes ORDER BY site, feature)"), Column("site, feature", "nodes"));
        Assert.Equal(Column("down_site, down_feature, up_site, up_feature",
            "(FROM edges ORDER BY down_site, down_feature, up_site, up_feature)"),
            Column("down_site, down_feature, up_site, up_feature", "edges"));
    }

    [Fact]
    public void What_is_there_is_not_computed_again_and_a_part_that_is_not_whole_is()
    {
        Dataset("whole", "--part-size 2").Done();
        Dataset("set", "--part-size 2").Done();
        // killed between the tables of its last part
        File.Delete(_directory["set/prompts/part-000002.parquet"]);
        // and before it let go of one that was whole
        File.WriteAllText(_directory["set/.part-000000.0123456789abcdef.lock"], "");
        File.WriteAllText(_directory["set/edges/.part-000001.parquet.0123456789abcdef.tmp"], "half");
        var first = File.GetLastWriteTimeUtc(_directory["set/nodes/part-000000.parquet"]);
        Assert.Contains("4 prompts were there already", Dataset("set", "--part-size 2 --resume").Done().Output);
        Same("whole", "set");
        Assert.Equal(first, File.GetLastWriteTimeUtc(_directory["set/nodes/part-000000.parquet"]));
        Assert.Contains("0 prompts", Dataset("set", "--part-size 2 --resume").Done().Output);
    }

    [Fact]
    public void A_part_that_is_damaged_within_is_named_and_its_mend_works()
    {
        Dataset("whole", "--part-size 2 --heads").Done();
        Dataset("set", "--part-size 2 --heads").Done();
        var prompts = _directory["set/prompts/part-000001.parquet"];
        var bytes = File.ReadAllBytes(prompts);
        bytes.AsSpan(4, bytes.Length - 8).Fill(0x5A);
        File.WriteAllBytes(prompts, bytes);
        var resumed = Dataset("set", "--part-size 2 --heads --resume");
        foreach (var verb in (Verb[])[resumed, Verb.Run("query", _directory["set"], "FROM prompts")])
        {
            verb.Failed(1, prompts, "is damaged", "Remove it and go on with the dataset");
        }
        File.Delete(prompts);
        // of a further table too
        File.WriteAllText(_directory["set/heads/part-000000.parquet"], "PAR1");
        Dataset("set", "--part-size 2 --heads --resume").Done();
        Same("whole", "set");
    }

    [Fact]
    public void A_dataset_that_is_not_whole_is_queried_as_far_as_it_is()
    {
        Dataset("set", "--part-size 2 --shard 1/2").Done();
        Assert.Contains("2", Query("set", "SELECT count(DISTINCT run) FROM nodes"));
        foreach (var view in (string[])["mean_nodes", "MEAN_EDGES"])
        {
            Verb.Run("query", _directory["set"], $"SELECT * FROM {view}").Failed(1, $"There is no {view.ToLowerInvariant()}",
                $"the mean of {_directory["set"]} is not there yet", "Go on with the dataset");
        }
        File.WriteAllText(_directory["set/nodes/part-000000.parquet"], "");
        Verb.Run("query", _directory["set"], "FROM nodes").Failed(1, "missing or damaged", "writes its part again");
        Dataset("set", "--part-size 2 --resume").Done();
        Assert.Contains("5", Query("set", "SELECT count(DISTINCT run) FROM nodes"));
        Directory.Delete(_directory["set/prompts"], recursive: true);
        Verb.Run("query", _directory["set"], "FROM nodes").Failed(1, "without a whole part", "Go on with it");
    }

    [Fact]
    public void Lines_that_fail_are_rows_that_say_why_and_the_others_go_on()
    {
        string[] lines = [s_prompts[0], "no json", """{"prompt": "Hello", "target": "two tokens", "id": "t"}""", s_prompts[3]];
        var verb = Run("set", "--part-size 1", lines);
        Assert.Equal(1, verb.Code);
        Assert.Contains("line 2: it is no JSON object", verb.Error);
        Assert.Contains("line 3: ", verb.Error);
        Assert.Contains("4 prompts", verb.Output);
        Assert.Contains("2 lines failed", verb.Output);
        var told = Query("set", "SELECT run, line, error IS NULL AS good FROM prompts ORDER BY line");
        Assert.Equal(["one,1,true", "line:2,2,false", "t,3,false", "d,4,true"], told.Trim().Split('\n').Skip(1).Select(l => l.Trim()));
        Assert.Contains("2", Query("set", "SELECT count(DISTINCT run) FROM edges"));
        // what failed before is still no success
        var again = Run("set", "--part-size 1 --resume", lines);
        Assert.Equal((1, ""), (again.Code, again.Error));
        Assert.Contains("2 lines failed before", again.Output);
    }

    [Theory, InlineData(""), InlineData("--directories --no-page"), InlineData("--metric prob")]
    public void Foils_that_the_metric_does_not_use_are_told_once(string options)
    {
        string[] lines = [s_prompts[0], """{"prompt": "Hello", "foil": "y"}""", """{"prompt": "abc", "target": "x", "foil": "z"}"""];
        var metric = options.Contains("prob") ? "prob" : "logit";
        var verb = Run("set", options, lines);
        Assert.Equal((0, $"warning: 2 prompts have a foil, which the metric {metric} does not use; give --metric logit-diff, "
            + "or take it out of the file"), (verb.Code, verb.Error.TrimEnd()));
        Run("used", $"{options.Replace("--metric prob", "")} --metric logit-diff", lines).Done();
    }

    [Fact]
    public void Many_datasets_and_runs_beside_them_are_told_apart()
    {
        Dataset("all/set", "--part-size 2").Done();
        Dataset("all/other", "--top-edges 20").Done();
        Graph("all/runs", "--no-page").Done();
        string[] sets = [_directory["all/set"], _directory["all/other"]];
        var told = Verb.Run("query", sets[0], sets[1], sets[0] + "/", "SELECT run FROM runs ORDER BY run", "--format", "csv").Done().Output;
        Assert.Equal(sets.SelectMany(s => ((string[])["2", "7", "d", "e", "one"]).Select(id => $"{s}/{id}")).Order(StringComparer.Ordinal),
            told.Trim().Split('\n').Skip(1).Select(l => l.Trim()));
        const string count = "SELECT count(*), count(DISTINCT n.run) FROM nodes n JOIN runs USING (run) WHERE kept";
        var both = Verb.Run("query", _directory["all/runs"], sets[0], count, "--format", "csv").Done().Output.Trim().Split('\n')[1];
        var one = Query("all/set", count).Trim().Split('\n')[1].Split(',');
        Assert.Equal($"{2 * int.Parse(one[0])},10", both.Trim());
        Assert.Contains("10", Query("all", "SELECT count(*) FROM runs"));
    }

    [Theory, InlineData("\"prompts\": 2147483647, \"part_size\": 1"), InlineData("\"prompts\": 2147483647, \"part_size\": 2147483647")]
    public void A_dataset_json_that_lies_costs_nothing(string said)
    {
        Dataset("set", "--part-size 2147483647").Done();
        var file = _directory["set/dataset.json"];
        File.WriteAllText(file, $"{{\"format_version\": 1, {said}}}");
        Assert.Contains("5", Query("set", "SELECT count(*) FROM prompts"));
    }

    [Fact]
    public void A_dataset_lies_in_no_run_and_no_other_dataset_and_is_no_file()
    {
        Dataset("set", "").Done();
        Graph("runs", "--no-page").Done();
        Dataset("set/nodes/x", "").Failed(1, "would lie in", "which is a dataset", "--out");
        Dataset("runs/one/x", "").Failed(1, "would lie in", "which is a run", "--out");
        File.WriteAllText(_directory["file"], "mine");
        Dataset("file", "").Failed(1, "something else than a dataset", "--out");
        File.CreateSymbolicLink(_directory["dangling"], "nowhere");
        Dataset("dangling", "").Failed(1, "something else than a dataset", "--out");
    }

    [Fact]
    public void Memory_changes_no_dataset()
    {
        Dataset("set", "--part-size 2 --shard 1/2").Done();
        Dataset("set", "--part-size 2 --resume --memory 64").Done();
        Dataset("whole", "--part-size 2").Done();
        Same("whole", "set");
    }

    [Fact]
    public void Another_request_is_refused_by_what_differs()
    {
        Dataset("set", "--part-size 2").Done();
        Dataset("set", "--part-size 2").Failed(1, "holds a dataset already", "--resume");
        Dataset("set", "--part-size 3 --resume").Failed(1, "part_size '2'", "'3'");
        Dataset("set", "--part-size 2 --resume --top-edges 5").Failed(1, "options.top_edges '1000'", "'5'");
        Run("set", "--part-size 2 --resume", s_prompts[..4]).Failed(1, "prompts '5'", "'4'");
        Run("set", "--part-size 2 --resume", [.. s_prompts[..4], """{"prompt": "WGlU", "id": "e"}"""])
            .Failed(1, "prompts_sha256");
        Directory.CreateDirectory(_directory["full"]);
        File.WriteAllText(_directory["full/notes.txt"], "mine");
        Dataset("full", "--resume").Failed(1, "something else than a dataset", "--out");
        Graph("set", "").Failed(1, "is a dataset");
        Dataset("begun", "--part-size 2 --shard 1/2").Done();
        foreach (var verb in (string[][])[["view"], ["validate"], ["heads"], ["ablate", "--circuit"]])
        {
            Verb.Run([.. verb, _directory["begun"], .. verb.Length > 1 ? ["--model", model.Bundle, "--prompt", "Hello"] : (string[])[]])
                .Failed(1, "is a dataset of many prompts' graphs");
        }
    }

    [Theory, InlineData("--shard 9/8", "--shard cannot be '9/8'"), InlineData("--shard 0/2", "I from 1 to N"),
        InlineData("--directories --shard 1/2", "--shard is about a dataset", "contradicts --directories"),
        InlineData("--directories --resume", "--resume is about a dataset"),
        InlineData("--pages", "--pages goes with a run directory per prompt", "give --directories too"),
        InlineData("--directories --pages --no-page", "--no-page contradicts --pages"),
        InlineData("--validate", "--validate goes with a run directory per prompt"),
        InlineData("--targets top:2", "--targets goes with a run directory per prompt"),
        InlineData("--force", "--force goes with a run directory per prompt", "give --directories too"),
        InlineData("--part-size 0", "from 1")]
    public void What_goes_not_together_is_refused(string options, params string[] words) =>
        Verb.Run(["graph", "--model", model.Bundle, "--prompts", "p.jsonl", "--out", _directory["set"], .. options.Split(' ')])
            .Failed(2, words);

    [Theory, InlineData("--directories"), InlineData("--resume"), InlineData("--shard 1/2"), InlineData("--part-size 3"),
        InlineData("--all-nodes")]
    public void One_prompt_is_no_dataset(string option) => Verb.Run(["graph", "--model", model.Bundle, "--prompt", "Hello", "--out",
        _directory["set"], .. option.Split(' ')]).Failed(2, $"{option.Split(' ')[0]} goes with --prompts");

    [Theory, InlineData(0, null, "prompts ░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 100"),
        InlineData(50, 2.5, "prompts ████████████░░░░░░░░░░░░ 50 of 100, 2.5 a second, 0:20 to go"),
        InlineData(99, 0.0001, "prompts ███████████████████████░ 99 of 100, 10000.0 s each, 2:46 h to go")]
    public void Progress_says_how_fast_and_how_long(int done, double? rate, string line) =>
        Assert.Equal(line, DatasetBar.Line(new DatasetProgress(done, 100, rate)));

    private Verb Dataset(string name, string options) => Run(name, options, s_prompts);

    private Verb Graph(string name, string options) => Run(name, $"--directories {options}", s_prompts);

    private Verb Run(string name, string options, string[] lines)
    {
        File.WriteAllLines(_directory["p.jsonl"], lines);
        return Verb.Run(["graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--out", _directory[name],
            .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
    }

    private string Answer(string name, string view, string where = "") => Query(name, string.Format(Rows, view, where));

    private string Query(string name, string sql)
    {
        var answer = Verb.Run("query", _directory[name], sql, "--format", "csv").Done().Output;
        Assert.True(answer.Split('\n').Length > 2, answer);
        return answer;
    }

    private void Same(string one, string other) => Same(new DirectoryInfo(_directory[one]), new DirectoryInfo(_directory[other]));

    internal static void Same(DirectoryInfo one, DirectoryInfo other)
    {
        Dictionary<string, string> Files(DirectoryInfo at) => Directory.EnumerateFiles(at.FullName, "*", SearchOption.AllDirectories)
            .ToDictionary(f => Path.GetRelativePath(at.FullName, f), f => Convert.ToBase64String(File.ReadAllBytes(f)));
        var (expected, actual) = (Files(one), Files(other));
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        Assert.All(expected.Keys, file => Assert.True(expected[file] == actual[file], $"{file} differs"));
    }
}
