using System.Text.Json;
using OnnxAttribution.Attribution;
using OnnxAttribution.Comparison;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Store;

namespace OnnxAttribution.Tests.Comparison;

/// <summary>Comparisons against pandas and scipy (<c>tests/references/goldens_comparison.py</c>).</summary>
public sealed class ComparisonGoldenTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly JsonDocument _golden =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Attribution.GoldenCase.Root, "comparison", "comparison.json")));

    [Theory, InlineData(RunAlignment.Position, "position"), InlineData(RunAlignment.Feature, "feature")]
    public void Rows_counts_and_spearman_are_the_references(RunAlignment alignment, string name)
    {
        var compared = RunComparison.Read(Run(0), Run(1), alignment, TestContext.Current.CancellationToken);
        var golden = _golden.RootElement.GetProperty(name);
        Same(golden.GetProperty("nodes"), compared.NodeCounts, compared.Nodes.Select(n =>
            ($"{n.Site} {n.Position} {n.Feature}", PresenceText.Of(n.Presence), n.EffectA, n.EffectB)));
        Same(golden.GetProperty("edges"), compared.EdgeCounts, compared.Edges.Select(e =>
            ($"{e.Up.Site} {e.Up.Position} {e.Up.Feature} {e.Down.Site} {e.Down.Position} {e.Down.Feature}", PresenceText.Of(e.Presence),
                e.EffectA, e.EffectB)));
    }

    public void Dispose()
    {
        _golden.Dispose();
        _directory.Dispose();
    }

    private static void Same(JsonElement golden, ComparedCounts counts, IEnumerable<(string Key, string Presence, float A, float B)> rows)
    {
        var cells = golden.GetProperty("rows").EnumerateArray().Select(row => row.EnumerateArray().ToList());
        Assert.Equal(cells.Select(c => (string.Join(' ', c.SkipLast(3)), c[^3].GetString()!, Effect(c[^2]), Effect(c[^1]))), rows);
        Assert.Equal(golden.GetProperty("counts").EnumerateArray().Select(c => c.GetInt32()),
            [counts.Both, counts.Opposite, counts.OnlyA, counts.OnlyB]);
        Assert.Equal(golden.GetProperty("spearman").GetDouble(), counts.Spearman, 1e-12);
    }

    // as pandas has it where a graph does not have the row
    private static float Effect(JsonElement cell) => cell.ValueKind == JsonValueKind.Null ? float.NaN : cell.GetSingle();

    private string Run(int index)
    {
        var graph = _golden.RootElement.GetProperty("runs")[index];
        var nodes = graph.GetProperty("nodes").EnumerateArray().Select(n => new NodeRow(n[0].GetString()!, 0, "resid", n[1].GetInt32(), "",
            n[2].GetInt32(), 1, 0, float.NaN, n[3].GetSingle(), n[4].GetBoolean())).ToList();
        var places = nodes.Select((n, i) => (n, i)).ToDictionary(p => (p.n.Site, p.n.Position, p.n.Feature), p => p.i);
        int Place(JsonElement cells, int first) => cells[first].GetString() == RunNames.MetricSite ? CausalEdge.Metric
            : places[(cells[first].GetString()!, cells[first + 1].GetInt32(), cells[first + 2].GetInt32())];
        CausalEdge[] edges = [.. graph.GetProperty("edges").EnumerateArray()
            .Select(e => new CausalEdge(Place(e, 0), Place(e, 3), float.NaN, e[6].GetSingle()))];
        var run = _directory[$"run{index}"];
        RunDirectory.Write(run, new RunContents(nodes, [edges], 3, RunSamples.Facts.ToRecord()), force: false);
        return run;
    }
}
