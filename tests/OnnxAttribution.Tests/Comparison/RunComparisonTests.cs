using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Comparison;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.Store;

namespace OnnxAttribution.Tests.Comparison;

/// <summary>Runs of models/tiny that differ in one respect each.</summary>
public sealed class ComparedRuns : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public ComparedRuns()
    {
        string[] graph = ["graph", "--model", Repository.TinyModel, "--no-page", "--prompt"];
        Verb.Run([.. graph, "Copyright (C", "--target", ")", "--out", this["plain"]]).Done();
        Verb.Run([.. graph, "Copyright (C", "--target", ")", "--node-threshold", "0.5", "--out", this["strong"]]).Done();
        Verb.Run([.. graph, "Copyright (C", "--target", ")", "--estimator", "relp", "--out", this["relp"]]).Done();
        Verb.Run([.. graph, "the Copyright [C", "--target", "]", "--out", this["other"]]).Done();
        Verb.Run([.. graph, "Copyright (C", "--target", ")", "--aggregate", "sum", "--out", this["summed"]]).Done();
    }

    public string this[string run] => _directory[run];

    public void Dispose() => _directory.Dispose();
}

public sealed class RunComparisonTests(ComparedRuns runs) : IClassFixture<ComparedRuns>
{
    [Theory, InlineData(RunAlignment.Position), InlineData(RunAlignment.Feature)]
    public void A_run_is_like_itself(RunAlignment alignment)
    {
        var same = RunComparison.Read(runs["plain"], runs["plain"], alignment);
        Assert.All(same.Nodes, n => Assert.True(n.Presence == Presence.Both && n.EffectA.Equals(n.EffectB)));
        Assert.All(same.Edges, e => Assert.True(e.Presence == Presence.Both && e.EffectA.Equals(e.EffectB)));
        Assert.Equal(1, same.NodeCounts.Spearman, 1e-12);
        Assert.Equal(1, same.EdgeCounts.Spearman, 1e-12);
        Assert.Equal(["A and B are the same run, so nothing can differ"], same.Notes);
        if (alignment == RunAlignment.Feature) return;
        var stored = RunDirectory.Read(runs["plain"]);
        Assert.Equal(stored.Nodes.Count(n => n.Kept), same.Nodes.Count);
        Assert.Equal(stored.Edges.Length, same.Edges.Count);
    }

    [Fact]
    public void What_a_higher_threshold_drops_is_only_in_the_other_and_its_effect_is_known_in_both()
    {
        var compared = RunComparison.Read(runs["plain"], runs["strong"]);
        var dropped = compared.Nodes.Where(n => n.Presence == Presence.OnlyA).ToList();
        Assert.NotEmpty(dropped);
        // or pruned there, since nothing leads from it to the metric
        var strong = RunDirectory.Read(runs["strong"]);
        var leading = strong.Edges.ToArray().Select(e => (strong.Nodes[e.Up].Site, strong.Nodes[e.Up].Position, strong.Nodes[e.Up].Feature))
            .ToHashSet();
        Assert.All(dropped, n => Assert.True(Math.Abs(n.EffectB) < 0.5 || !leading.Contains((n.Site, n.Position, n.Feature)), $"{n}"));
        Assert.Contains(dropped, n => Math.Abs(n.EffectB) < 0.5);
        Assert.All(dropped, n => Assert.Equal(n.EffectA, n.EffectB, 1e-4));
        Assert.DoesNotContain(compared.Nodes, n => n.Presence is Presence.OnlyB or Presence.Opposite);
        Assert.Equal(KeptKeys("strong").Count, compared.NodeCounts.Shared);
        Assert.Contains(compared.Notes, n => n.StartsWith("asked otherwise: ", StringComparison.Ordinal) && n.Contains("/ 0.5"));
    }

    [Fact]
    public void Presence_and_effects_are_those_of_the_two_tables()
    {
        var compared = RunComparison.Read(runs["plain"], runs["relp"]);
        var (a, b) = (Effects("plain"), Effects("relp"));
        var (keptA, keptB) = (KeptKeys("plain"), KeptKeys("relp"));
        Assert.Equal(keptA.Union(keptB).Order(), compared.Nodes.Select(n => (n.Site, n.Position, n.Feature)).Order());
        foreach (var n in compared.Nodes)
        {
            var key = (n.Site, n.Position, n.Feature);
            Assert.Equal(a.GetValueOrDefault(key, float.NaN), n.EffectA);
            Assert.Equal(b.GetValueOrDefault(key, float.NaN), n.EffectB);
            var expected = !keptB.Contains(key) ? Presence.OnlyA : !keptA.Contains(key) ? Presence.OnlyB
                : n.EffectA * n.EffectB < 0 ? Presence.Opposite : Presence.Both;
            Assert.Equal(expected, n.Presence);
        }
        Assert.Equal(compared.NodeCounts, new ComparedCounts(compared.Nodes.Count(n => n.Presence == Presence.Both),
            compared.Nodes.Count(n => n.Presence == Presence.Opposite), compared.Nodes.Count(n => n.Presence == Presence.OnlyA),
            compared.Nodes.Count(n => n.Presence == Presence.OnlyB), compared.NodeCounts.Spearman));
        Assert.Equal(compared.Nodes.Select(Larger).OrderDescending(), compared.Nodes.Select(Larger));
    }

    [Fact]
    public void Spearman_is_the_correlation_of_ranks_over_what_both_have()
    {
        var compared = RunComparison.Read(runs["plain"], runs["relp"]);
        var shared = compared.Edges.Where(e => e.Presence is Presence.Both or Presence.Opposite).ToList();
        Assert.InRange(shared.Count, 50, compared.Edges.Count);
        // Σ d² form: holds where no two are equal
        Assert.Equal(shared.Count, shared.Select(e => e.EffectA).Distinct().Count());
        Assert.Equal(shared.Count, shared.Select(e => e.EffectB).Distinct().Count());
        double Rank(Func<ComparedEdge, float> of, ComparedEdge edge) => shared.Count(e => of(e) < of(edge));
        var squares = shared.Sum(e => Math.Pow(Rank(s => s.EffectA, e) - Rank(s => s.EffectB, e), 2));
        double n = shared.Count;
        Assert.Equal(1 - (6 * squares / (n * ((n * n) - 1))), compared.EdgeCounts.Spearman, 1e-9);
    }

    [Fact]
    public void By_feature_effects_of_kept_nodes_and_of_edges_are_summed_over_positions()
    {
        var compared = RunComparison.Read(runs["plain"], runs["other"], RunAlignment.Feature);
        var (a, b) = (RunDirectory.Read(runs["plain"]), RunDirectory.Read(runs["other"]));
        Assert.All(compared.Nodes, n => Assert.Equal(-1, n.Position));
        foreach (var n in compared.Nodes.Where(n => n.Presence is Presence.Both or Presence.Opposite))
        {
            Assert.Equal(Sum(a, n), n.EffectA, 1e-4);
            Assert.Equal(Sum(b, n), n.EffectB, 1e-4);
        }
        var edges = a.Edges.ToArray().ToLookup(e => (a.Nodes[e.Up].Site, a.Nodes[e.Up].Feature,
            e.Down == CausalEdge.Metric ? "metric" : a.Nodes[e.Down].Site, e.Down == CausalEdge.Metric ? -1 : a.Nodes[e.Down].Feature));
        Assert.Equal(edges.Count, compared.Edges.Count(e => e.Presence != Presence.OnlyB));
        Assert.All(compared.Edges.Where(e => e.Presence != Presence.OnlyB), e => Assert.Equal(
            edges[(e.Up.Site, e.Up.Feature, e.Down.Site, e.Down.Feature)].Sum(s => s.Effect), e.EffectA, 1e-4));
        Assert.NotEqual(0, compared.NodeCounts.Shared);

        static double Sum(StoredRun run, ComparedNode node) =>
            run.Nodes.Where(n => n.Kept && n.Site == node.Site && n.Feature == node.Feature).Sum(n => (double)n.Effect);
    }

    [Fact]
    public void The_metric_is_one_node_wherever_each_prompt_has_it()
    {
        var compared = RunComparison.Read(runs["plain"], runs["other"]);
        var into = compared.Edges.Where(e => e.Down.Site == "metric").ToList();
        Assert.All(into, e => Assert.Equal((-1, -1), (e.Down.Position, e.Down.Feature)));
        Assert.Contains(into, e => e.Presence == Presence.OnlyA);
        Assert.Contains(compared.Notes, n => n.Contains("the prompts differ (4 and 5 tokens)", StringComparison.Ordinal));
        Assert.Contains(compared.Notes, n => n.Contains("A explains logit of ')', B logit of ']'", StringComparison.Ordinal));
    }

    [Fact]
    public void A_run_summed_over_positions_is_compared_with_another_by_feature_only()
    {
        var refused = Assert.Throws<ComparisonException>(() => RunComparison.Read(runs["plain"], runs["summed"]));
        Assert.Contains("summed over positions", refused.Message);
        Assert.NotEmpty(RunComparison.Read(runs["plain"], runs["summed"], RunAlignment.Feature).Nodes);
        Assert.NotEmpty(RunComparison.Read(runs["summed"], runs["summed"]).Nodes);
    }

    [Fact]
    public void Runs_of_other_dictionaries_are_refused_and_of_another_model_with_the_same_ones_compared()
    {
        using var directory = new TemporaryDirectory();
        Verb.Run("export", "--checkpoint", Repository.TinyModel, "--out", directory["same"], "--no-check", "--not-as-trained",
            "--fold-layernorm", "false").Done();
        string[] graph = ["--prompt", "Copyright (C", "--target", ")", "--no-page"];
        Verb.Run(["graph", "--model", directory["same"], .. graph, "--out", directory["unfolded"]]).Done();
        var note = RunComparison.Read(runs["plain"], directory["unfolded"]).Notes
            .Single(n => n.StartsWith("the models differ", StringComparison.Ordinal));
        Assert.EndsWith("the same dictionaries", note);

        var swapped = directory["swapped"];
        foreach (var file in Directory.GetFiles(Repository.TinyModel, "*", SearchOption.AllDirectories))
        {
            var place = Path.Combine(swapped, Path.GetRelativePath(Repository.TinyModel, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.Copy(file, place);
        }
        string Of(string site) => Path.Combine(swapped, "dictionaries", site, "sae_weights.safetensors");
        var sites = Directory.GetDirectories(Path.Combine(swapped, "dictionaries")).Select(d => Path.GetFileName(d)!)
            .Where(s => s.EndsWith("hook_resid_pre", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        File.Copy(Of(sites[2]), Of(sites[0]), overwrite: true);
        Verb.Run("export", "--checkpoint", swapped, "--out", directory["bundle"], "--no-check").Done();
        Verb.Run(["graph", "--model", directory["bundle"], .. graph, "--out", directory["changed"]]).Done();
        var refused = Assert.Throws<ComparisonException>(() => RunComparison.Read(runs["plain"], directory["changed"]));
        Assert.Contains($"other dictionaries at {sites[0]}", refused.Message);
    }

    [Fact]
    public void Features_of_transcoders_in_one_run_alone_are_not_those_of_dictionaries()
    {
        using var directory = new TemporaryDirectory();
        string Run(string name, JsonObject? options, string site = "blocks.0.hook_mlp_out")
        {
            var facts = RunSamples.Facts;
            facts["options"] = options;
            RunDirectory.Write(directory[name], new RunContents([new(site, 0, "mlp", 0, "a", 7, 1, 0, 1, -1, true)], [], 0,
                facts.ToRecord()), force: false);
            return directory[name];
        }
        var (plain, replaced) = (Run("plain", null), Run("replaced", new JsonObject { ["replace"] = "mlp" }));
        var refused = Assert.Throws<ComparisonException>(() => RunComparison.Read(plain, replaced));
        Assert.StartsWith($"in {replaced} alone transcoders stand for MLPs", refused.Message);
        Assert.Contains("blocks.0.hook_mlp_out", refused.Message);
        Assert.Equal(1, RunComparison.Read(replaced, Run("too", new JsonObject { ["replace"] = "mlp" })).NodeCounts.Both);
        // of the stream the dictionaries are the same
        Assert.Equal(1, RunComparison.Read(Run("stream", null, "blocks.0.hook_resid_pre"),
            Run("streams", new JsonObject { ["replace"] = "mlp" }, "blocks.0.hook_resid_pre")).NodeCounts.Both);
    }

    [Fact]
    public void Runs_without_a_site_in_common_are_refused()
    {
        using var directory = new TemporaryDirectory();
        foreach (var site in (string[])["resid", "mlp"])
        {
            Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--sites", site, "--no-page",
                "--out", directory[site]).Done();
        }
        Assert.Throws<ComparisonException>(() => RunComparison.Read(directory["resid"], directory["mlp"]));
    }

    [Fact]
    public void Rows_come_back_as_they_went()
    {
        var compared = RunComparison.Read(runs["plain"], runs["other"]);
        Assert.Equal(compared.Nodes, Back(compared.Nodes));
        Assert.Equal(compared.Edges, Back(compared.Edges));

        static IReadOnlyList<TRow> Back<TRow>(IReadOnlyList<TRow> rows) where TRow : ITableRow<TRow> =>
            RowTable.Read<TRow>(RowTable.Of(rows), "a file");
    }

    private static float Larger(ComparedNode node) => Math.Max(Known(node.EffectA), Known(node.EffectB));

    private static float Known(float effect) => float.IsNaN(effect) ? 0 : Math.Abs(effect);

    private Dictionary<(string, int, int), float> Effects(string run) =>
        RunDirectory.Read(runs[run]).Nodes.ToDictionary(n => (n.Site, n.Position, n.Feature), n => n.Effect);

    private HashSet<(string, int, int)> KeptKeys(string run) =>
        [.. RunDirectory.Read(runs[run]).Nodes.Where(n => n.Kept).Select(n => (n.Site, n.Position, n.Feature))];
}
