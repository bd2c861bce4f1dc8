using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Two graphs that should be one.</summary>
internal static class GraphComparison
{
    public static (string Site, int Position, int Feature) Key(this CausalNode node) => (node.Site.Name, node.Position, node.Feature);

    /// <summary>Edges by the names of their ends; the metric is ("metric", 0, −1).</summary>
    public static Dictionary<((string, int, int) Up, (string, int, int) Down), CausalEdge> EdgesByName(this CausalGraph graph) =>
        graph.Edges.ToDictionary(e =>
            (graph.Nodes[e.Up].Key(), e.Down == CausalEdge.Metric ? ("metric", 0, -1) : graph.Nodes[e.Down].Key()));

    /// <summary>The same nodes with the same numbers, the same edges with the same numbers.</summary>
    /// <param name="tolerance">Of the largest number of its kind.</param>
    public static void Same(CausalGraph expected, CausalGraph actual, double tolerance)
    {
        Assert.Equal(expected.Nodes.Select(Key), actual.Nodes.Select(Key));
        Numbers(expected.Nodes.Select(n => n.Activation), actual.Nodes.Select(n => n.Activation), tolerance, "activations");
        Numbers(expected.Nodes.Select(n => n.PatchActivation), actual.Nodes.Select(n => n.PatchActivation), tolerance, "patch activations");
        Numbers(expected.Nodes.Select(n => n.Gradient), actual.Nodes.Select(n => n.Gradient), tolerance, "gradients");
        Numbers(expected.Nodes.Select(n => n.Effect), actual.Nodes.Select(n => n.Effect), tolerance, "effects");
        SameEdges(expected.EdgesByName(), actual.EdgesByName(), tolerance);
    }

    /// <summary>An edge that rounding may leave out counts as 0.</summary>
    public static void SameEdges<T>(Dictionary<T, CausalEdge> expected, Dictionary<T, CausalEdge> actual, double tolerance)
        where T : notnull
    {
        var keys = expected.Keys.Union(actual.Keys).ToList();
        Numbers(keys.Select(k => expected.GetValueOrDefault(k).Effect), keys.Select(k => actual.GetValueOrDefault(k).Effect), tolerance,
            "edge effects");
        var both = keys.Where(k => expected.ContainsKey(k) && actual.ContainsKey(k)).ToList();
        Numbers(both.Select(k => expected[k].Jacobian), both.Select(k => actual[k].Jacobian), tolerance, "jacobians");
    }

    public static void Numbers(IEnumerable<float> expected, IEnumerable<float> actual, double tolerance, string what) =>
        GoldenTests.Close([.. expected.Select(v => (double)v)], actual, tolerance, what);
}
