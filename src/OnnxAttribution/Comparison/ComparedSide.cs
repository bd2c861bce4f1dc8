using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.Comparison;

/// <summary>One of two compared runs, with its nodes and edges by what makes them the same as the other's.</summary>
internal sealed class ComparedSide
{
    private static readonly ComparedEnd s_metric = new(RunNames.MetricSite, TokenPosition.All, CausalNode.Error);

    private readonly Dictionary<ComparedEnd, NodeRow> _nodes = [];

    private ComparedSide(string run, StoredRun stored, RunAlignment alignment)
    {
        (Run, Stored) = (run, stored);
        var keys = new ComparedEnd[stored.Nodes.Count];
        for (var i = 0; i < keys.Length; i++)
        {
            var node = stored.Nodes[i];
            keys[i] = new(node.Site, alignment == RunAlignment.Feature ? TokenPosition.All : node.Position, node.Feature);
            if (node.Kept) Kept.Add(keys[i]);
            Add(keys[i], node);
        }
        foreach (var edge in stored.Edges.Span)
        {
            var key = (keys[edge.Up], edge.Down == CausalEdge.Metric ? s_metric : keys[edge.Down]);
            Edges[key] = Edges.GetValueOrDefault(key) + edge.Effect;
        }
        IsSummed = alignment == RunAlignment.Position && AreSummed(stored.Nodes);
    }

    /// <summary>The run directory, as it was given.</summary>
    public string Run { get; }

    public StoredRun Stored { get; }

    /// <summary>Every feature that has an effect other than 0 is summed over positions, and was before this comparison.</summary>
    public bool IsSummed { get; }

    public HashSet<ComparedEnd> Kept { get; } = [];

    /// <summary>Effects.</summary>
    public Dictionary<(ComparedEnd Up, ComparedEnd Down), float> Edges { get; } = [];

    /// <summary>Sites that it has nodes at.</summary>
    public HashSet<string> Sites => [.. Stored.Nodes.Select(n => n.Site)];

    /// <summary>Sites that it has features at, and not errors alone.</summary>
    public IReadOnlyList<string> FeatureSites => [.. Stored.Nodes.Where(n => n.Feature >= 0).Select(n => n.Site).Distinct()];

    /// <summary>What transcoders stand for; null: there are none.</summary>
    public string? Replaced => (Stored.Record as GraphRunRecord)?.Options?.Replace ?? (Stored.Record as MergedRunRecord)?.Options?.Replace;

    /// <inheritdoc cref="RunComparison.Read" path="/exception"/>
    public static ComparedSide Read(string run, RunAlignment alignment, CancellationToken cancel) =>
        new(run, RunDirectory.Read(MergedRun.Locate(run), cancel), alignment);

    /// <summary>null: it has none, kept or not.</summary>
    public NodeRow? Node(ComparedEnd key) => _nodes.TryGetValue(key, out var node) ? node : null;

    // in a run of ablations downstream ends have positions, and no effect or, where they only switch on, none to speak of
    private static bool AreSummed(IReadOnlyList<NodeRow> nodes)
    {
        var moved = nodes.Where(n => n.Feature >= 0 && !float.IsNaN(n.Effect) && n.Effect != 0).ToList();
        if (moved.Count == 0) moved = [.. nodes];
        return moved.Count > 0 && moved.All(n => n.Position < 0);
    }

    // only what the graph keeps of a feature is summed over positions, unless it keeps none of it; and only what has an effect, unless
    // nothing has: an ablated feature is there whole, and once more at each position where it is a downstream end
    private void Add(ComparedEnd key, NodeRow node)
    {
        var more = _nodes.TryGetValue(key, out var sum) ? Rank(node) - Rank(sum) : 1;
        if (more > 0)
        {
            _nodes[key] = node with { Position = key.Position };
        }
        else if (more == 0)
        {
            _nodes[key] = sum with { Effect = sum.Effect + node.Effect, Activation = sum.Activation + node.Activation };
        }
    }

    private static int Rank(NodeRow node) => (node.Kept ? 2 : 0) + (float.IsNaN(node.Effect) ? 0 : 1);
}
