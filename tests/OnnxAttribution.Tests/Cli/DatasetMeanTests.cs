using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The mean of a dataset's graphs: <c>DATASET/mean</c>.</summary>
public sealed class DatasetMeanTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private static readonly string[] s_prompts =
        ["""{"prompt": "Hello", "target": "x", "id": "one"}""", """{"prompt": "a longer prompt"}""", "no json",
            """{"prompt": "Hello", "patch_prompt": "Jelly", "id": 7}""", """{"prompt": "abc", "id": "d"}""",
            """{"prompt": "WGlT", "id": "e"}"""];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(""), InlineData("--top-nodes 3 --top-edges 40"), InlineData("--edges exact --sites resid,mlp"),
        InlineData("--heads"), InlineData("--aggregate sum --top-nodes 4"),
        InlineData("--metric logit-diff --position 2"), InlineData("--method atpstar"), InlineData("--top-errors 2 --top-nodes 5"),
        InlineData("--method ig --steps 2 --top-nodes 4"), InlineData("--method exact --sites mlp --edge-threshold 0.01"),
        InlineData("--metric kl --method ig --steps 2 --sites resid"), InlineData("--exact-depth 1 --no-prune"), InlineData("--all")]
    public void It_is_the_merged_graph_of_the_runs(string options)
    {
        Batch("runs", options);
        Dataset("set", $"--part-size 2 {options}");
        var (expected, mean) = (RunDirectory.Read(_directory["runs/merged"]), RunDirectory.Read(_directory["set/mean"]));
        Assert.Equal(expected.Nodes.Select(n => (n.Site, n.Position, n.Feature, n.Kept, n.Method)),
            mean.Nodes.Select(n => (n.Site, n.Position, n.Feature, n.Kept, n.Method)));
        foreach (var value in (Func<NodeRow, float>[])[n => n.Activation, n => n.PatchActivation, n => n.Effect, n => n.Attribution,
            n => n.Exact, n => n.EffectError])
        {
            Close(expected.Nodes.Select(value), mean.Nodes.Select(value));
        }
        var (one, other) = (Edges(expected), Edges(mean));
        Assert.Equal(one.Keys.Order(), other.Keys.Order());
        if (!options.Contains("kl")) Assert.NotEmpty(one);
        Close(one.Keys.Select(k => one[k]), one.Keys.Select(k => other[k]));
        Assert.Equal(expected.SwitchedOn.Count, mean.SwitchedOn.Count);
        Close(expected.SwitchedOn.OrderBy(s => (s.Up, s.DownSite)).Select(s => s.Effect),
            mean.SwitchedOn.OrderBy(s => (s.Up, s.DownSite)).Select(s => s.Effect));
        var (was, now) = (expected.Facts, mean.Facts);
        foreach (var key in (string[])["prompts", "metric", "nodes", "kept_nodes", "edges", "sites", "neuronpedia_ids", "bundle_sha256"])
        {
            Assert.Equal(was[key]?.ToJsonString(), now[key]?.ToJsonString());
        }
        foreach (var key in (string[])["clean_metric", "patch_metric", "explained_by_features"])
        {
            if (was[key] is null) Assert.Null(now[key]);
            else Assert.Equal((double)was[key]!, (double)now[key]!, 1e-6 * Math.Max(1, Math.Abs((double)was[key]!)));
        }
        Assert.False(Directory.Exists(_directory["set/sums"]));
    }

    [Theory, InlineData(1), InlineData(4)]
    public void Parts_and_shards_change_no_byte_of_it(int shards)
    {
        Dataset("whole", "--part-size 1");
        string Shard(int i) => Run("shards", $"--part-size 1 --shard {i}/{shards}");
        // once for the graphs, and once for the edges between the mean's nodes; a shard that finds all of the first goes on at once
        string[] said = [.. Enumerable.Range(0, 2 * shards).Select(i => Shard(shards - (i % shards)))];
        Assert.Single(said, s => s.Contains("mean: over 5 prompts"));
        Assert.Contains("was there already", said[^1]);
        if (shards > 1)
        {
            Assert.Contains("parts of the prompts are missing; when all of them are there, run every shard once more", said[0]);
            Assert.Contains("mean: not yet, its edges are missing of 5 parts; run every shard once more", said[shards - 1]);
        }
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["shards"]));
        Assert.Contains("was there already", Shard(1));
        // with other parts the sums are added up in another order
        Dataset("other", "--part-size 3");
        Close(RunDirectory.Read(_directory["whole/mean"]).Nodes.Select(n => n.Effect),
            RunDirectory.Read(_directory["other/mean"]).Nodes.Select(n => n.Effect));
    }

    // as a kill would leave it, at any file; all in this process, since another program rounds last digits otherwise
    [Fact]
    public void Gone_on_with_from_any_state_it_has_the_same_bytes()
    {
        Here("whole", "--part-size 2");
        var states = 0;
        using (new FileSteps(_directory["set"], _ => Copy(_directory["set"], _directory[$"state{states++}"])))
        {
            Here("set", "--part-size 2");
        }
        Assert.True(states > 20, $"{states}");
        for (var state = 0; state < states; state++)
        {
            if (!File.Exists(_directory[$"state{state}/dataset.json"])) continue;
            Here($"state{state}", "--part-size 2 --resume");
            PromptDatasetTests.Same(new(_directory["whole"]), new(_directory[$"state{state}"]));
        }

        // a line of the usual prompts is none
        void Here(string name, string options) => Assert.Equal(1, Verb.RunHere(CancellationToken.None, Call(name, options)).Code);
    }

    [Fact]
    public void Errors_in_one_row_change_no_sum_of_it()
    {
        string[] names = ["whole", "lumped"];
        foreach (var name in names) Dataset(name, $"--refine off --top-errors {(name == "whole" ? 64 : 1)}");
        var means = names.Select(name => RunDirectory.Read(_directory[$"{name}/mean"]).Nodes).ToArray();
        Close(means[0].Select(n => n.Effect), means[1].Select(n => n.Effect));
        Close(means[0].Select(n => n.Activation), means[1].Select(n => n.Activation));
    }

    // an oracle of its own: the prompts' rows of a dataset that keeps all of them
    [Fact]
    public void Intervals_hold_the_middle_of_the_means_over_prompts_drawn_anew_and_shares_count_prompts()
    {
        string[] prompts = [.. Enumerable.Range(0, 40).Select(i => $$"""{"prompt": "{{"abcdefgh"[i % 8]}}H{{i}}l", "target": "x"}""")];
        Run("set", "--part-size 16 --all-nodes --top-nodes 4 --node-threshold 0 --refine off", prompts);
        var rows = Query("set", "SELECT n.site, n.feature, n.effect, effect_low, effect_high, share_active, share_kept, list(p.effect), "
            + "count(*), count(*) FILTER (p.kept) FROM mean_nodes n JOIN (SELECT run, site, feature, sum(effect::DOUBLE) AS effect, "
            + "bool_or(kept) AS kept FROM nodes GROUP BY ALL) p USING (site, feature) WHERE effect_low IS NOT NULL GROUP BY ALL");
        Assert.True(rows.Count > 10);
        foreach (var row in rows)
        {
            var values = JsonNode.Parse(row[7])!.AsArray().Select(v => (double)v!).ToArray();
            var (mean, low, high) = (Number(row[2]), Number(row[3]), Number(row[4]));
            Assert.Equal(values.Sum() / 40, mean, 1e-5 * Math.Max(1e-2, Math.Abs(mean)));
            // by the central limit theorem; of a bootstrap's quantiles 1000 draws know a tenth or so
            var deviation = Math.Sqrt(((values.Sum(v => v * v) / 40) - (mean * mean)) / 40);
            Assert.InRange(high - low, 0.75 * 2 * 1.96 * deviation, 1.2 * 2 * 1.96 * deviation);
            Assert.InRange(mean, low, high);
            Assert.Equal(Number(row[8]) / 40, Number(row[5]), 1e-6);
            Assert.Equal(Number(row[9]) / 40, Number(row[6]), 1e-6);
        }
        var edges = Query("set", "SELECT m.effect, effect_low, effect_high, share_active, share_kept, count(DISTINCT e.run), m.up_site, "
            + "m.up_feature, m.down_site, m.down_feature FROM mean_edges m "
            + "LEFT JOIN edges e ON e.up_site = m.up_site AND e.up_feature = m.up_feature AND e.down_site = m.down_site "
            + "AND e.down_feature IS NOT DISTINCT FROM m.down_feature GROUP BY ALL");
        Assert.True(edges.Count > 10);
        Assert.All(edges, e =>
        {
            Assert.InRange(Number(e[0]), Number(e[1]), Number(e[2]));
            Assert.Equal(Number(e[5]) / 40, Number(e[4]), 1e-6);
            Assert.InRange(Number(e[3]), Math.Max(Number(e[4]), 1e-6), 1);
        });
    }

    [Fact]
    public void One_prompt_has_no_interval_and_none_no_mean()
    {
        Run("one", "--part-size 2", s_prompts[..1]);
        Assert.Equal("0", Query("one", "SELECT count(effect_low) FROM mean_nodes")[0][0]);
        Assert.Contains("mean: none, since no prompt has a graph", Verb.Run(Call("none", "", ["no json"])).Output);
        Verb.Run("query", _directory["none"], "FROM mean_nodes").Failed(1, "mean_nodes");
        Verb.Run("view", _directory["none"]).Failed(1, "without their mean");
    }

    [Fact]
    public void Its_rows_are_apart_from_the_prompts_in_every_query()
    {
        Dataset("set", "--part-size 2");
        Dataset("all/set", "--part-size 2");
        Dataset("all/other", "--top-nodes 5");
        Assert.Equal(["2", "7", "d", "e", "one"], Query("set", "SELECT DISTINCT run FROM nodes ORDER BY run").Select(r => r[0]));
        Assert.Equal(Query("set/mean", "SELECT * EXCLUDE (run) FROM nodes"), Query("set", "SELECT * EXCLUDE (dataset) FROM mean_nodes"));
        Assert.Equal(Query("set/mean", "SELECT * EXCLUDE (run) FROM edges"), Query("set", "SELECT * EXCLUDE (dataset) FROM mean_edges"));
        Assert.Equal([_directory["all/other"], _directory["all/set"]],
            Query("all", "SELECT DISTINCT dataset FROM mean_edges ORDER BY dataset").Select(r => r[0]));
        Assert.Equal("10", Query("all", "SELECT count(DISTINCT run) FROM edges")[0][0]);
    }

    [Fact]
    public void It_is_drawn_and_ablated_as_a_run()
    {
        Dataset("set", "");
        Assert.True(File.Exists(_directory["set/mean/graph.html"]));
        Verb.Run("view", _directory["set"], "--format", "svg", "--out", _directory["of-set.svg"]).Done();
        Verb.Run("view", _directory["set/mean"], "--format", "svg", "--out", _directory["of-mean.svg"]).Done();
        Assert.Equal(File.ReadAllText(_directory["of-mean.svg"]), File.ReadAllText(_directory["of-set.svg"]));
        Assert.Contains("mean of 5 prompts", File.ReadAllText(_directory["of-set.svg"]));
        Batch("runs", "");
        string[] ablate = ["ablate", "--model", model.Bundle, "--faithfulness"];
        string Points(string run) => string.Join('\n', Verb.Run([.. ablate, _directory[run], "--points", "3"]).Done().Output.Split('\n')
            .Where(l => l.StartsWith('│')).Select(l => l.Trim()));
        Assert.Equal(Points("runs/merged"), Points("set"));
        foreach (var verb in (string[][])[["validate"], ["heads"], ["heads", "--head", "0.0"]])
        {
            Verb.Run([verb[0], _directory["set"], .. verb[1..]]).Failed(1, "mean of many prompts",
                "one of its prompts in a directory of its own");
        }
        Verb.Run([.. ablate, _directory["set"], "--prepend-bos", "false"]).Failed(1, "with a BOS");
    }

    [Theory, InlineData("nodes.parquet"), InlineData("edges.parquet"), InlineData("run.json")]
    public void A_damaged_one_is_named_and_going_on_makes_it_anew(string file)
    {
        Dataset("whole", "--part-size 2");
        Dataset("set", "--part-size 2");
        var damaged = _directory[$"set/mean/{file}"];
        File.WriteAllText(damaged, "");
        foreach (var verb in (string[][])[["query", _directory["set"], "FROM mean_nodes"], ["view", _directory["set"]]])
        {
            Verb.Run(verb).Failed(1, damaged, "is damaged", $"Remove {_directory["set/mean"]} and go on with the dataset");
        }
        Assert.Equal("5", Query("set", "SELECT count(DISTINCT run) FROM edges")[0][0]);
        Assert.Contains("mean: over 5 prompts", Run("set", "--part-size 2 --resume"));
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["set"]));
    }

    [Theory, InlineData("nodes"), InlineData("moved")]
    public void Sums_that_are_damaged_within_are_named_and_their_mend_works(string table)
    {
        Dataset("whole", "--part-size 2");
        // the line that is no prompt is in another shard
        Run("set", "--part-size 2 --shard 1/3");
        var file = _directory[$"set/sums/{table}/part-000000.parquet"];
        var bytes = File.ReadAllBytes(file);
        bytes.AsSpan(4, bytes.Length - 8).Fill(0x5A);
        File.WriteAllBytes(file, bytes);
        var resumed = Verb.Run(Call("set", "--part-size 2 --resume"));
        Assert.Equal(1, resumed.Code);
        Assert.Contains($"{file} is damaged", resumed.Error);
        Assert.Contains("Remove it and go on with the dataset: that writes its part again", resumed.Error);
        File.Delete(file);
        Run("set", "--part-size 2 --resume");
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["set"]));
    }

    [Fact]
    public void One_without_a_file_is_made_anew_and_what_is_none_is_refused_before_a_prompt_is_run()
    {
        Dataset("whole", "--part-size 2");
        Dataset("set", "--part-size 2");
        File.Delete(_directory["set/mean/nodes.parquet"]);
        Verb.Run("query", _directory["set"], "FROM mean_edges").Failed(1, "nodes.parquet does not exist", "go on with the dataset");
        Run("set", "--part-size 2 --resume");
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["set"]));
        File.Delete(_directory["set/mean/run.json"]);
        Verb.Run(Call("set", "--part-size 2 --resume")).Failed(1, _directory["set/mean"], "it has no run.json", "remove it by hand");
        Assert.False(Directory.Exists(_directory["set/sums"]));
    }

    private void Dataset(string name, string options) => _ = Run(name, options);

    private string Run(string name, string options, string[]? prompts = null)
    {
        var verb = Verb.Run(Call(name, options, prompts));
        // a line of the usual ones is no prompt; not every shard meets it
        Assert.True(verb.Code == 0 || (prompts is null && verb.Code == 1), verb.Output + verb.Error);
        return verb.Output;
    }

    private string[] Call(string name, string options, string[]? prompts = null)
    {
        File.WriteAllLines(_directory["p.jsonl"], prompts ?? s_prompts);
        return ["graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--out", _directory[name],
            .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
    }

    private void Batch(string name, string options)
    {
        Assert.Equal(1, Verb.Run([.. Call(name, options), "--directories", "--no-page"]).Code);
    }

    private List<string[]> Query(string name, string sql) =>
        [.. JsonNode.Parse(Verb.Run("query", _directory[name], sql, "--format", "json").Done().Output)!.AsArray()
            .Select(row => row!.AsObject().Select(cell => cell.Value?.ToString() ?? "").ToArray())];

    private static double Number(string text) => double.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    private static Dictionary<string, float> Edges(StoredRun run)
    {
        string Name(int node) => node < 0 ? "metric" : $"{run.Nodes[node].Site} {run.Nodes[node].Feature}";
        return run.Edges.ToArray().ToDictionary(e => $"{Name(e.Up)} {Name(e.Down)}", e => e.Effect);
    }

    private static void Close(IEnumerable<float> expected, IEnumerable<float> actual)
    {
        var (one, other) = (expected.ToArray(), actual.ToArray());
        Assert.Equal(one.Select(float.IsNaN), other.Select(float.IsNaN));
        one = [.. one.Where(v => !float.IsNaN(v))];
        if (one.Length > 0) GoldenTests.Close([.. one.Select(v => (double)v)], other.Where(v => !float.IsNaN(v)), 1e-6, "values");
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var place = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            // one that is held is not read
            if (file.EndsWith(".lock", StringComparison.Ordinal)) File.WriteAllText(place, "");
            else File.Copy(file, place);
        }
    }
}
