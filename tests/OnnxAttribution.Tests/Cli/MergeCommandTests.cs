using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Shards in directories of their own become one dataset: <c>merge</c>.</summary>
public sealed class MergeCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private static readonly string[] s_prompts =
        ["""{"prompt": "Hello", "id": "one"}""", """{"prompt": "a longer prompt"}""", """{"prompt": "Hello", "patch_prompt": "Jelly"}""",
            """{"prompt": "abc"}""", """{"prompt": "WGlT"}"""];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(2, false), InlineData(2, true), InlineData(5, true)]
    public void Directories_that_share_nothing_make_the_dataset_whatever_their_number_and_order(int shards, bool isReversed)
    {
        Graph("whole", "--heads");
        var numbers = isReversed ? Enumerable.Range(1, shards).Reverse() : Enumerable.Range(1, shards);
        string[] directories = [.. numbers.Select(i => $"s{i}")];
        foreach (var shard in numbers) Graph($"s{shard}", $"--heads --shard {shard}/{shards}");
        var said = Merge("set", directories).Done().Output;
        Assert.Contains("5 of 5 parts", said);
        Assert.Contains("mean: not yet; 'graph --prompts' with --resume", said);
        // the edges of the mean, apart again
        foreach (var shard in numbers)
        {
            Merge($"t{shard}", "set").Done();
            Graph($"t{shard}", $"--heads --shard {shard}/{shards}");
        }
        Merge("set", [.. numbers.Select(i => $"t{i}")]).Done();
        Assert.Contains("0 prompts", Graph("set", "--heads --resume"));
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["set"]));
        // a damaged mean is replaced
        Merge("damaged", "set").Done();
        File.WriteAllText(_directory["damaged/mean/edges.parquet"], "");
        Merge("damaged", "set").Done();
        Assert.Equal(File.ReadAllBytes(_directory["set/mean/edges.parquet"]), File.ReadAllBytes(_directory["damaged/mean/edges.parquet"]));
        // of whole ones, all is there but what is drawn
        Merge("again", "whole", "set").Done();
        foreach (var drawn in (string[])["mean/graph.html", "index.html"]) File.Delete(_directory[$"whole/{drawn}"]);
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["again"]));
    }

    [Fact]
    public void Missing_parts_are_named_and_left_for_resume()
    {
        Graph("whole", "");
        Graph("s1", "--shard 1/5");
        Graph("s3", "--shard 3/5");
        Assert.Contains("missing: 3 parts (1, 3, 4)", Merge("set", "s1", "s3").Done().Output);
        var json = JsonNode.Parse(Verb.Run("merge", _directory["s1"], "--out", _directory["set"], "--json").Done().Output)!;
        Assert.Equal([1, 3, 4], json["missing"]!.AsArray().Select(part => (int)part!));
        Assert.Contains("3 prompts", Graph("set", "--resume"));
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["set"]));
    }

    [Fact]
    public void Other_requests_and_parts_that_differ_are_refused_by_name()
    {
        Graph("s1", "--shard 1/2");
        Graph("other", "--shard 2/2 --top-edges 7");
        Merge("set", "s1", "other").Failed(1, _directory["s1"], "options.top_edges '1000'", _directory["other"], "'7'");
        Graph("both", "");
        Directory.Delete(_directory["both/mean"], recursive: true);
        File.Copy(_directory["both/edges/part-000001.parquet"], _directory["both/edges/part-000000.parquet"], overwrite: true);
        Graph("overlap", "--shard 1/2");
        Merge("set", "s1", "overlap").Done();
        File.Copy(_directory["s1/edges/part-000001.parquet"], _directory["overlap/edges/part-000000.parquet"], overwrite: true);
        Merge("set2", "s1", "overlap").Failed(1, _directory["s1/edges/part-000000.parquet"],
            _directory["overlap/edges/part-000000.parquet"], "differ");
        Directory.CreateDirectory(_directory["none"]);
        Merge("set3", "s1", "none").Failed(1, _directory["none"]);
        Graph("bundle", "--shard 2/2");
        var record = _directory["bundle/dataset.json"];
        File.WriteAllText(record, File.ReadAllText(record).Replace("\"bundle_sha256\": \"", "\"bundle_sha256\": \"0"));
        Merge("set4", "s1", "bundle").Failed(1, "bundle_sha256");
        Verb.Run("merge", _directory["s1"]).Failed(2, "--out");
        Verb.Run("merge", "--out", _directory["set"]).Failed(2, "DATASET");
    }

    [Fact]
    public void Damaged_files_of_the_destination_are_replaced_and_whole_ones_have_to_fit()
    {
        Graph("whole", "");
        Graph("s1", "--shard 1/2");
        Graph("s2", "--shard 2/2");
        Merge("set", "s1", "s2").Done();
        File.WriteAllText(_directory["set/edges/part-000001.parquet"], "");
        File.WriteAllText(_directory["set/prompts/part-000004.parquet"], "PAR1 and no more");
        Assert.Contains("5 of 5 parts, 2 files copied", Merge("set", "s1", "s2").Done().Output);
        Assert.Contains("5 of 5 parts, 0 files copied", Merge("set", "s1", "s2").Done().Output);
        Graph("set", "--resume");
        PromptDatasetTests.Same(new(_directory["whole"]), new(_directory["set"]));
        // as a kill between the tables of a part would leave them, but of other prompts
        Merge("torn", "s1").Done();
        File.Delete(_directory["torn/prompts/part-000000.parquet"]);
        File.Copy(_directory["s1/edges/part-000001.parquet"], _directory["torn/edges/part-000000.parquet"], overwrite: true);
        Merge("torn", "s1").Failed(1, _directory["s1/edges/part-000000.parquet"], _directory["torn/edges/part-000000.parquet"], "differ");
    }

    [Fact]
    public void What_a_template_was_expanded_to_comes_along_and_is_refused_where_it_differs()
    {
        File.WriteAllText(_directory["t.yaml"], """
            prompt: "He{a}{b}"
            patch_prompt: "Je{a}{b}"
            target: "{b}"
            slots: {a: [l, m], b: [o, p]}
            """);
        foreach (var shard in (int[])[1, 2])
        {
            Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["t.yaml"], "--part-size", "1", "--shard", $"{shard}/2",
                "--out", _directory[$"s{shard}"]).Done();
        }
        Assert.Contains("4 of 4 parts", Merge("set", "s1", "s2").Done().Output);
        Assert.Equal(4, File.ReadAllLines(_directory["set/prompts.jsonl"]).Length);
        Assert.Equal(File.ReadAllText(_directory["s2/prompts.jsonl"]), File.ReadAllText(_directory["set/prompts.jsonl"]));
        Assert.Contains("0 files copied", Merge("set", "s1", "s2").Done().Output);
        File.AppendAllText(_directory["s2/prompts.jsonl"], "{}\n");
        Merge("other", "s1", "s2").Failed(1, _directory["s1/prompts.jsonl"], _directory["s2/prompts.jsonl"], "differ");
        Assert.False(Directory.Exists(_directory["other/nodes"]));
    }

    [Fact]
    public void What_is_no_dataset_is_refused_as_such()
    {
        Graph("set", "");
        Merge("to", "set", "nowhere").Failed(1, $"{_directory["nowhere"]} is no dataset: it does not exist", "the directory of a dataset");
        Merge("to", "set/mean").Failed(1, $"{_directory["set/mean"]} is no dataset, since it has no dataset.json");
        Assert.False(Directory.Exists(_directory["to"]));
    }

    private string Graph(string name, string options)
    {
        File.WriteAllLines(_directory["p.jsonl"], s_prompts);
        return Verb.Run(["graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--part-size", "1", "--out",
            _directory[name], .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]).Done().Output;
    }

    private Verb Merge(string to, params string[] from) =>
        Verb.Run(["merge", .. from.Select(name => _directory[name]), "--out", _directory[to]]);
}
