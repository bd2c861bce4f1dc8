using OnnxAttribution.Store;

namespace OnnxAttribution.Comparison;

// 1. Both runs are read whole; a node that one of them dropped still has its effect there.
// 2. By feature, effects are summed over positions, node by node and edge by edge.
// 3. What has the same key is the same. Presence is about kept nodes, and about edges as they were written.
// 4. Order: by the larger of the two |effects|, then by key, so that equal runs give equal tables.

/// <summary>Two finished runs, A and B, side by side: other prompts, thresholds, estimators, or models with the same dictionaries.
/// </summary>
public sealed class RunComparison
{
    private RunComparison(ComparedSide a, ComparedSide b, RunAlignment alignment)
    {
        (A, B, Alignment) = (a, b, alignment);
        Nodes = CompareNodes(a, b);
        Edges = CompareEdges(a, b);
        NodeCounts = ComparedCounts.Of(Nodes.Select(n => (n.Presence, n.EffectA, n.EffectB)));
        EdgeCounts = ComparedCounts.Of(Edges.Select(e => (e.Presence, e.EffectA, e.EffectB)));
        Notes = ComparisonNotes.Of(a, b, alignment);
    }

    /// <summary>Which nodes were taken for the same.</summary>
    public RunAlignment Alignment { get; }

    /// <summary>Nodes that either graph keeps, by falling |effect|, the larger of both.</summary>
    public IReadOnlyList<ComparedNode> Nodes { get; }

    /// <summary>Edges that either graph has, by falling |effect|, the larger of both.</summary>
    public IReadOnlyList<ComparedEdge> Edges { get; }

    /// <summary>How far the graphs agree on nodes.</summary>
    public ComparedCounts NodeCounts { get; }

    /// <summary>How far the graphs agree on edges.</summary>
    public ComparedCounts EdgeCounts { get; }

    /// <summary>What the reader should know: in what the runs differ, and what that means for the figures.</summary>
    public IReadOnlyList<string> Notes { get; }

    internal ComparedSide A { get; }

    internal ComparedSide B { get; }

    /// <summary>Compares two finished runs.</summary>
    /// <param name="runA">A run directory, or that of a batch's mean.</param>
    /// <param name="runB">The other.</param>
    /// <param name="alignment">Which nodes are the same.</param>
    /// <param name="cancel">Stops the reading.</param>
    /// <exception cref="RunDirectoryException">A directory is no finished run, or a file is damaged.</exception>
    /// <exception cref="ComparisonException">The runs have no site in common, other dictionaries at one, or only one of them is summed over
    /// positions.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static RunComparison Read(string runA, string runB, RunAlignment alignment = RunAlignment.Position,
        CancellationToken cancel = default)
    {
        var a = ComparedSide.Read(runA, alignment, cancel);
        var b = ComparedSide.Read(runB, alignment, cancel);
        if (!a.Sites.Overlaps(b.Sites)) throw ComparisonException.NothingShared(runA, runB);
        if (a.IsSummed != b.IsSummed) throw a.IsSummed ? ComparisonException.Summed(runA, runB) : ComparisonException.Summed(runB, runA);
        ComparedDictionaries.RequireSame(a, b);
        return new RunComparison(a, b, alignment);
    }

    private static List<ComparedNode> CompareNodes(ComparedSide a, ComparedSide b) =>
        [.. a.Kept.Union(b.Kept).Select(key =>
        {
            var (nodeA, nodeB) = (a.Node(key), b.Node(key));
            var (effectA, effectB) = (nodeA?.Effect ?? float.NaN, nodeB?.Effect ?? float.NaN);
            var presence = Present(a.Kept.Contains(key), b.Kept.Contains(key), effectA, effectB);
            return new ComparedNode(key.Site, key.Position, key.Feature, presence, effectA, effectB)
            {
                TokenA = key.Position < 0 ? null : nodeA?.Token,
                TokenB = key.Position < 0 ? null : nodeB?.Token,
                ActivationA = nodeA?.Activation ?? float.NaN,
                ActivationB = nodeB?.Activation ?? float.NaN,
            };
        }).OrderByDescending(n => Larger(n.EffectA, n.EffectB)).ThenBy(n => n.Site, StringComparer.Ordinal).ThenBy(n => n.Position)
            .ThenBy(n => n.Feature)];

    private static List<ComparedEdge> CompareEdges(ComparedSide a, ComparedSide b) =>
        [.. a.Edges.Keys.Union(b.Edges.Keys).Select(key =>
        {
            var (inA, inB) = (a.Edges.TryGetValue(key, out var effectA), b.Edges.TryGetValue(key, out var effectB));
            return new ComparedEdge(key.Up, key.Down, Present(inA, inB, effectA, effectB), inA ? effectA : float.NaN,
                inB ? effectB : float.NaN);
        }).OrderByDescending(e => Larger(e.EffectA, e.EffectB)).ThenBy(e => e.Up.Site, StringComparer.Ordinal).ThenBy(e => e.Up.Position)
            .ThenBy(e => e.Up.Feature).ThenBy(e => e.Down.Site, StringComparer.Ordinal).ThenBy(e => e.Down.Position)
            .ThenBy(e => e.Down.Feature)];

    private static Presence Present(bool inA, bool inB, float a, float b) =>
        !inB ? Presence.OnlyA : !inA ? Presence.OnlyB
            : !float.IsNaN(a) && !float.IsNaN(b) && Math.Sign(a) * Math.Sign(b) < 0 ? Presence.Opposite : Presence.Both;

    private static float Larger(float a, float b) => Math.Max(Known(a), Known(b));

    private static float Known(float effect) => float.IsNaN(effect) ? 0 : Math.Abs(effect);
}
