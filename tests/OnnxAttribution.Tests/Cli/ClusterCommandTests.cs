using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>cluster</c>.</summary>
public sealed partial class ClusterCommandTests(ClusteredTasks tasks, Random2Fixture random)
    : IClassFixture<ClusteredTasks>, IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(""), InlineData("--edges"), InlineData("--method average"), InlineData("--method average --edges --clusters 9"),
        InlineData("--clusters 9 --seed 3"), InlineData("--by activations --site 3.resid_post"), InlineData("--by activations"),
        InlineData("--by gradients --site 3.resid_post --metric logit-diff")]
    public void Nine_tasks_of_the_embedded_model_come_back_as_clusters(string options)
    {
        var json = Json(tasks.Dataset, options);
        Assert.Equal(9, (int)json["labels"]!);
        Assert.InRange((double)json["adjusted_rand_index"]!, 0.9, 1);
        Assert.InRange((double)json["silhouette"]!, 0.6, 1);
        Assert.Equal(tasks.Prompts, json["clusters"]!.AsArray().Sum(c => (int)c!["prompts"]!));
        var tried = json["tried"]!.AsArray().Select(t => ((int)t!["clusters"]!, (double)t["silhouette"]!)).ToList();
        Assert.Equal(tried.MaxBy(t => t.Item2).Item1, json["clusters"]!.AsArray().Count);
    }

    [Fact]
    public void What_is_written_is_what_is_told_and_each_clusters_prompts_are_run_again()
    {
        var verb = Cluster(tasks.Dataset, "--clusters 9 --top 4", "--out", _directory["clusters"]).Done();
        Assert.Contains("9 clusters of 108 prompts", verb.Output);
        Assert.Contains("adjusted Rand index with 9 labels 1.000", verb.Output);
        var (clusters, members, nodes) = (Rows<ClusterRow>(), Rows<MemberRow>(), Rows<ClusterNodeRow>());
        Assert.Equal(Enumerable.Range(1, 9), clusters.Select(c => c.Cluster));
        Assert.Equal(9 * 4, nodes.Count);
        Assert.All(clusters, c => Assert.Equal((1.0, members.Count(m => m.Cluster == c.Cluster)), (c.LabelShare, c.Prompts)));
        foreach (var c in clusters)
        {
            var own = members.Where(m => m.Cluster == c.Cluster).ToList();
            Assert.Equal(own.Average(m => m.Silhouette), c.Silhouette, 1e-12);
            Assert.Equal(own.MaxBy(m => m.Similarity)!.Run, c.Typical);
            Assert.Equal(own.MinBy(m => m.Silhouette)!.Prompt, c.OddPrompt);
            var lines = PromptFile.Read(_directory[$"clusters/prompts/{c.Cluster}.jsonl"]);
            Assert.Equal(own.Select(m => (m.Run, m.Prompt!, m.Label)), lines.Select(l => (l.Task!.Id!, l.Task.Prompt, l.Task.Label)));
            Assert.All(lines, l => Assert.True(l.Task!.Target is not null && l.Task.PatchPrompt is not null));
        }
        // the mean of what was kept, by SQL
        var node = nodes.First(n => n.Cluster == 2);
        var inCluster = string.Join(", ", members.Where(m => m.Cluster == 2).Select(m => $"'{m.Run}'"));
        var sum = Verb.Run("query", tasks.Dataset, $"SELECT round(sum(effect) / {clusters[1].Prompts}, 3), count(DISTINCT run) FROM nodes "
            + $"WHERE kept AND site = '{node.Site}' AND feature = {node.Feature} AND run IN ({inCluster})", "--format", "csv")
            .Done().Output;
        Assert.Equal($"{Math.Round(node.Effect, 3)},{node.Prompts}", sum.Trim().Split('\n')[1].Trim());
    }

    [Fact]
    public void What_was_compared_is_recorded()
    {
        JsonNode Recorded(params string[] options)
        {
            Verb.Run(["cluster", tasks.Dataset, "--clusters", "3", "--out", _directory["at"], "--force", .. options]).Done();
            return JsonNode.Parse(File.ReadAllText(_directory["at/clusters.json"]))!;
        }
        var dataset = DatasetDirectory.Read(tasks.Dataset).Record;
        var nodes = Recorded();
        Assert.Equal((dataset.Metric, dataset.Position, dataset.PrependBos, null),
            ((string?)nodes["metric"], (int?)nodes["position"], (bool?)nodes["prepend_bos"], (string?)nodes["site"]));
        var site = Recorded("--by", "gradients", "--model", Repository.TinyModel, "--site", "2.resid", "--position", "1", "--prepend-bos",
            "false", "--metric", "logprob");
        Assert.Equal(("logprob", 1, false, "blocks.2.hook_resid_pre"),
            ((string?)site["metric"], (int?)site["position"], (bool?)site["prepend_bos"], (string?)site["site"]));
        var activations = Recorded("--by", "activations", "--model", Repository.TinyModel, "--site", "2.resid");
        Assert.Null(activations["metric"]);
        Assert.NotNull(activations["prepend_bos"]);
        Assert.Null(activations["sample"]);
    }

    [Fact]
    public void A_directory_of_clusters_is_replaced_when_asked_and_nothing_else_is()
    {
        Cluster(tasks.Dataset, "--clusters 3", "--out", _directory["clusters"]).Done();
        Cluster(tasks.Dataset, "--clusters 3", "--out", _directory["clusters"]).Failed(1, "holds clusters already", "--force");
        Cluster(tasks.Dataset, "--clusters 4 --force", "--out", _directory["clusters"]).Done();
        Assert.Equal(4, Rows<ClusterRow>().Count);
        Assert.False(File.Exists(_directory["clusters/prompts/5.jsonl"]));
        File.WriteAllText(_directory["clusters/mine.txt"], "mine");
        Cluster(tasks.Dataset, "--clusters 4 --force", "--out", _directory["clusters"]).Failed(1, "something else than clusters", "--out");
        Cluster(tasks.Dataset, "--clusters 4", "--out", Path.Combine(tasks.Dataset, "clusters")).Failed(1, "which is a dataset", "--out");
        File.WriteAllText(_directory["file"], "mine");
        Cluster(tasks.Dataset, "--clusters 4 --force", "--out", _directory["file"]).Failed(1, "something else than clusters");
        Assert.Equal("mine", File.ReadAllText(_directory["clusters/mine.txt"]));
    }

    [Theory, InlineData("members.csv"), InlineData("clusters.txt"), InlineData("prompts/notes.jsonl"), InlineData("prompts/.jsonl"),
        InlineData("prompts/1.json"), InlineData("prompts/1b.jsonl"), InlineData("prompts/more/1.jsonl"), InlineData("members/mine")]
    public void What_clusters_do_not_write_is_never_replaced(string mine)
    {
        Cluster(tasks.Dataset, "--clusters 3", "--out", _directory["clusters"]).Done();
        var file = _directory[$"clusters/{mine}"];
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "mine");
        Cluster(tasks.Dataset, "--clusters 3 --force", "--out", _directory["clusters"]).Failed(1, "something else than clusters", "--out");
        Assert.Equal("mine", File.ReadAllText(file));
    }

    [Fact]
    public void A_file_where_clusters_have_their_folder_of_prompts_is_never_replaced()
    {
        Cluster(tasks.Dataset, "--clusters 3", "--out", _directory["clusters"]).Done();
        Directory.Delete(_directory["clusters/prompts"], recursive: true);
        File.WriteAllText(_directory["clusters/prompts"], "mine");
        Cluster(tasks.Dataset, "--clusters 3 --force", "--out", _directory["clusters"]).Failed(1, "something else than clusters", "--out");
        Assert.Equal("mine", File.ReadAllText(_directory["clusters/prompts"]));
    }

    [Theory, InlineData("--clusters 1", "--clusters cannot be '1'"), InlineData("--clusters 9-3", "or a range such as 2-20"),
        InlineData("--clusters x", "a whole number from 2 to 1000"), InlineData("--site 2.resid", "--site goes with --by activations"),
        InlineData("--by activations", "give --model"), InlineData("--by activations --edges --model m", "--edges goes with --by nodes"),
        InlineData("--by gradients --metric kl --model m", "--metric kl has gradient 0"), InlineData("--force", "--force goes with --out"),
        InlineData("--method average --restarts 3", "--restarts goes with --method kmeans"),
        InlineData("--metric prob", "--metric goes with --by gradients")]
    public void What_goes_not_together_is_refused(string options, string words) =>
        Verb.Run(["cluster", tasks.Dataset, .. options.Split(' ')]).Failed(2, words);

    [Fact]
    public void What_cannot_be_clustered_is_said()
    {
        Verb.Run("cluster", _directory["no"]).Failed(2, "is no dataset", "graph --prompts FILE", "--by activations");
        Cluster(tasks.Dataset, "--clusters 500").Failed(1, "108 prompts", "500 clusters", "--clusters");
        Cluster(tasks.Dataset, "--edges --memory 1").Failed(1, "more than 1 MiB", "--memory");
        Verb.Run("cluster", _directory["no.jsonl"], "--by", "activations", "--model", Repository.TinyModel).Failed(1, "there is no file");
        File.WriteAllText(_directory["p.jsonl"], "{\"prompt\": \"a\"}\n{\"prompt\": \"a\", \"target\": \"no such\", \"id\": \"x\"}\n");
        var model = (string[])["--by", "activations", "--model", Repository.TinyModel];
        Verb.Run(["cluster", _directory["p.jsonl"], .. model]).Failed(1, "prompt 'x': the target 'no such' is 2 tokens");
        Verb.Run(["cluster", _directory["p.jsonl"], .. model, "--site", "resid"]).Failed(2, "--site resid is 5 sites; name one");
        File.WriteAllText(_directory["p.jsonl"], "{\"prompt\": \"a\"}\n{\"prompt\": \"a\", \"id\": \"x\"}\n");
        Verb.Run(["cluster", _directory["p.jsonl"], .. model]).Failed(1, "0 prompts with something to compare");
        File.WriteAllText(_directory["p.jsonl"], "{\"prompt\": \"Copyright (C\", \"target\": \")\"}\n");
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["p.jsonl"], "--no-page", "--out",
            _directory["one"]).Done();
        var one = Verb.Run("cluster", _directory["one"]);
        one.Failed(1, "there is 1 prompt with something to compare, and clusters need 2 at least");
        Assert.DoesNotContain("fewer clusters", one.Error);
    }

    private IReadOnlyList<TRow> Rows<TRow>() where TRow : ITableRow<TRow>
    {
        var file = _directory[$"clusters/{TRow.Table}.parquet"];
        return RowTable.Read<TRow>(StoredTable.Load(file, TRow.Columns, TestContext.Current.CancellationToken), file);
    }

    private static JsonObject Json(string what, string options) =>
        JsonNode.Parse(Cluster(what, $"{options} --json").Done().Output)!.AsObject();

    private static Verb Cluster(string what, string options, params string[] more) => Verb.Run(["cluster", what,
        .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), .. options.Contains("--by") ? ["--model", Repository.TinyModel]
            : (string[])[], .. more]);
}

/// <summary>A dataset of nine of the templates for <c>models/tiny</c>. The tenth, <c>reflexive</c>, shares the circuit of <c>pronoun</c>
/// (who is a man and who a woman), so that no clusters of circuits can part these two.</summary>
public sealed class ClusteredTasks : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public ClusteredTasks()
    {
        var lines = PromptFile.Read(Path.Combine(Repository.Root, "templates", "tiny.yaml")).Select(l => l.Task!)
            .Where(t => t.Label != "reflexive").ToList();
        Prompts = lines.Count;
        File.WriteAllText(_directory["prompts.jsonl"], PromptFile.Lines(lines));
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["prompts.jsonl"], "--metric", "logit-diff", "--no-page",
            "--part-size", "40", "--out", Dataset).Done();
    }

    /// <summary>How many prompts it has.</summary>
    public int Prompts { get; }

    /// <summary>Its directory.</summary>
    public string Dataset => _directory["tasks"];

    public void Dispose() => _directory.Dispose();
}
