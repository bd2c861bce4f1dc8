using System.Text.Json.Nodes;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Tests.View;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Folders of graphs for circuit-tracer's page: what is added, what stays, and what is refused.</summary>
[Collection(TinyRunCollection.Name)]
public sealed class GraphFolderTests(TinyRun tiny) : IDisposable
{
    private const string List = "graph-metadata.json";

    private readonly TemporaryDirectory _directory = new();

    private string Folder => _directory["graphs"];

    [Fact]
    public void Graphs_are_added_and_one_is_replaced_where_it_stands()
    {
        Assert.Contains("(1 graph)", View(Folder).Done().Output);
        File.WriteAllText(Path.Combine(Folder, List), """
            {"graphs": [{"slug": "theirs", "scan": "gemma", "prompt_tokens": ["a"], "prompt": "a", "weight": NaN}, {"slug": "copyright",
            "prompt": "old"}, {"no slug": 1}], "of theirs too": [1]}
            """);
        var printed = View(Folder, "--slug", "other").Done().Output;
        Assert.Contains("(4 graphs)", printed);
        Assert.Contains($"'circuit-tracer start-server --graph_file_dir {Folder}'", printed);
        View(Folder).Failed(1, $"{Folder} has a graph named copyright already", "--slug or --force");
        View(Folder, "--force").Done();
        var list = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, List)))!;
        Assert.Equal(["theirs", "copyright", null, "other"], list["graphs"]!.AsArray().Select(g => (string?)g!["slug"]));
        Assert.Equal(["a", "Copyright (C", null, "Copyright (C"], list["graphs"]!.AsArray().Select(g => (string?)g!["prompt"]));
        Assert.Equal((1, "NaN"), ((int)list["of theirs too"]![0]!, (string?)list["graphs"]![0]!["weight"]));
        Assert.Equal(["copyright.json", "features", List, "other.json"], Names(Folder));
        var other = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "other.json")))!["metadata"]!;
        Assert.Equal(("other", "./data/features/other", "tiny"),
            ((string?)other["slug"], (string?)other["scan"], (string?)other["title_prefix"]));
        Assert.True(JsonNode.DeepEquals(other, list["graphs"]![3]));
    }

    [Fact]
    public void What_the_bundle_knows_of_a_feature_stands_in_its_file()
    {
        View(Folder).Done();
        var node = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "copyright.json")))!["nodes"]!.AsArray()
            .First(n => (int?)n!["feature_index"] == 263 && (string?)n["site"] == "blocks.3.hook_resid_pre")!;
        var file = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "features/copyright", $"{(long)node["feature"]!}.json")))!;
        var card = FeatureTable.Open(Repository.TinyModel)!.Read([("blocks.3.hook_resid_pre", 263)]).Values.Single();
        Assert.Equal(card.Promoted.Select(t => t.Token), file["top_logits"]!.AsArray().Select(t => (string)t!));
        Assert.Equal(card.Suppressed.Select(t => t.Token), node["bottom_logit_effects"]!.AsArray().Select(t => (string)t!));
        Assert.Equal(card.Histogram, file["histogram"]!.AsArray().Select(c => (long)c!));
        Assert.Equal((card.FiringRate, 0, card.MaxActivation),
            ((double)file["activation_frequency"]!, (int)file["act_min"]!, (float)file["act_max"]!));
        var quantiles = file["examples_quantiles"]!.AsArray();
        Assert.Equal(card.Contexts.GroupBy(c => c.Quantile).Select(g => g.Count()), quantiles.Select(q => q!["examples"]!.AsArray().Count));
        Assert.Equal("Top activations", (string)quantiles[0]!["quantile_name"]!);
        var (first, example) = (card.Contexts[0], quantiles[0]!["examples"]![0]!);
        // on one line, as circuit-tracer shows tokens
        Assert.Contains(card.Contexts, c => c.Tokens.Any(t => t.Contains('\n')));
        Assert.Equal(card.Contexts.Select(c => string.Concat(c.Tokens).Replace('\n', '⏎').Replace('\t', '→').Replace('\r', '↵')),
            quantiles.SelectMany(q => q!["examples"]!.AsArray())
                .Select(e => string.Concat(e!["tokens"]!.AsArray().Select(t => (string)t!))));
        Assert.Equal(first.Peak, (int)example["train_token_ind"]!);
        Assert.Equal(first.Activations, example["tokens_acts_list"]!.AsArray().Select(a => (float)a!));
        Assert.Equal(100, file["quantile_values"]!.AsArray().Count);
        Assert.Equal(card.MaxActivation, (float)file["quantile_values"]![99]!, 1e-3f);
    }

    [Fact]
    public void Without_its_bundle_a_graph_is_added_with_empty_files_and_says_so()
    {
        var run = tiny.Copy(_directory["run"]);
        var facts = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "run.json")))!;
        facts["model_path"] = _directory["gone"];
        File.WriteAllText(Path.Combine(run, "run.json"), facts.ToJsonString());
        var printed = Verb.Run("view", run, "--format", "json", "--out", Folder).Done().Output;
        Assert.Contains($"note: the model is not at {_directory["gone"]} any more, so features are shown without their contexts; ",
            printed);
        var file = JsonNode.Parse(File.ReadAllText(Directory.GetFiles(Path.Combine(Folder, "features/graph"))[0]))!;
        Assert.Equal("Top activations: none are known of this feature", (string?)file["examples_quantiles"]![0]!["quantile_name"]);
        Assert.Empty(file["top_logits"]!.AsArray());
        Assert.Null(file["activation_frequency"]);
        Assert.Contains("so no tokens are named that features raise or lower",
            Verb.Run("view", run, "--format", "json", "--out", _directory["one.json"]).Done().Output);
        Verb.Run("view", run, "--format", "json", "--out", _directory["two.json"], "--model", _directory["gone"])
            .Failed(1, "there is no model bundle at");
        Assert.DoesNotContain("note:",
            Verb.Run("view", run, "--format", "json", "--out", Folder, "--force", "--model", Repository.TinyModel).Done().Output);
    }

    [Theory]
    [InlineData("[]", "it holds no list of graphs")]
    [InlineData("{\"graphs\": [1]}", "it holds no list of graphs")]
    [InlineData("{\"graphs\": ", "Move it away")]
    public void A_list_that_is_none_is_left_as_it_is(string text, string words)
    {
        Directory.CreateDirectory(Folder);
        File.WriteAllText(Path.Combine(Folder, List), text);
        View(Folder).Failed(1, List, "no list of graphs that one could be added to", words);
        Assert.Equal(text, File.ReadAllText(Path.Combine(Folder, List)));
        Assert.Equal([List], Names(Folder));
    }

    [Fact]
    public void What_is_no_file_of_a_feature_is_not_lost_with_a_graph_that_is_replaced()
    {
        View(Folder).Done();
        File.WriteAllText(Path.Combine(Folder, "features/copyright/notes.txt"), "mine");
        View(Folder, "--force").Failed(1, "notes.txt is no file of a feature");
        Assert.True(File.Exists(Path.Combine(Folder, "features/copyright/notes.txt")));
        Directory.CreateDirectory(Path.Combine(Folder, "features/mine"));
        View(Folder, "--slug", "mine").Failed(1, "has a graph named mine already");
    }

    [Fact]
    public void A_graph_is_not_named_as_the_list_and_lies_in_no_run()
    {
        View(Folder, "--slug", "graph-metadata").Failed(1, List, "Name this one otherwise", "--slug");
        View(Folder, "--slug", "run").Failed(1, "run.json is the name of", "--slug");
        var run = tiny.Copy(_directory["run"]);
        Verb.Run("view", run, "--format", "json", "--out", run).Failed(1, "which is a run itself", "--out");
        Verb.Run("view", run, "--format", "json", "--out", Path.Combine(run, "graphs")).Failed(1, "which is a run itself");
        File.WriteAllText(_directory["file"], "");
        View(_directory["file"]).Failed(1, "it is a file, not a folder");
        Assert.Equal(["file", "run"], Names(_directory[""]));
    }

    [Fact]
    public void A_folder_may_have_a_dot_in_its_name_where_it_ends_in_a_slash_or_is_there()
    {
        View(_directory["graphs.v2"]).Failed(2, "graphs.v2 would be a .v2 file");
        View(_directory["graphs.v2/"]).Done();
        View(_directory["graphs.v2"], "--slug", "b").Done();
        Assert.Equal(["b.json", "copyright.json", "features", List], Names(_directory["graphs.v2"]));
    }

    [Fact]
    public void Many_writers_at_once_all_are_listed()
    {
        string[] slugs = [.. Enumerable.Range(0, 6).Select(i => $"s{i}")];
        Parallel.ForEach(slugs, slug => View(Folder, "--slug", slug, "--edges", "20").Done());
        Assert.Equal(slugs, JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, List)))!["graphs"]!.AsArray()
            .Select(g => (string)g!["slug"]!).Order());
        Assert.Equal([.. slugs.Select(s => $"{s}.json").Prepend("graph-metadata.json").Append("features").Order(StringComparer.Ordinal)],
            Names(Folder));
    }

    [Fact]
    public void A_graph_that_cannot_be_listed_leaves_the_list_as_it_was()
    {
        View(Folder).Done();
        var before = File.ReadAllText(Path.Combine(Folder, List));
        using (FileSteps.Refusing(Path.Combine(Folder, List)))
        {
            Verb.RunHere(CancellationToken.None, "view", tiny.Path, "--format", "json", "--out", Folder, "--slug", "b")
                .Failed(1, $"{List} cannot be written");
        }
        Assert.Equal(before, File.ReadAllText(Path.Combine(Folder, List)));
        View(Folder, "--slug", "b", "--force").Done();
        Assert.Contains("\"b\"", File.ReadAllText(Path.Combine(Folder, List)));
    }

    public void Dispose() => _directory.Dispose();

    private Verb View(string folder, params string[] more) =>
        Verb.Run(["view", tiny.Path, "--format", "json", "--out", folder, .. more]);

    private static string[] Names(string folder) =>
        [.. Directory.GetFileSystemEntries(folder).Select(e => Path.GetFileName(e)!).Order(StringComparer.Ordinal)];
}
