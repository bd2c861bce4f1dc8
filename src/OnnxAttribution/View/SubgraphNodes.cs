using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>The nodes of a run that a subgraph chooses.</summary>
internal static class SubgraphNodes
{
    /// <summary>The subgraph by the run's own names of its sites.</summary>
    /// <param name="run">The run directory, for messages.</param>
    /// <exception cref="SubgraphException">A node is none of the run's.</exception>
    public static Subgraph Named(Subgraph subgraph, StoredRun stored, string run)
    {
        var (sites, index) = (stored.Nodes.Select(n => n.Site).ToHashSet(), Index(stored));
        FeatureName Here(FeatureName node) => node.Among(sites) is { } here && index.ContainsKey(Key(here)) ? here
            : throw new SubgraphException($"{subgraph.Source} pins {node.Spelling}, which is no node of {run}; "
                + (subgraph.Run?.Path is { } own ? $"it was saved from {own}: draw that run, or take the node out"
                    : "draw the run that it was saved from, or take the node out"));
        return subgraph with
        {
            Pins = [.. subgraph.Pins.Select(Here)],
            Groups = [.. subgraph.Groups.Select(g => g with { Nodes = [.. g.Nodes.Select(Here)] })],
            // of a feature that is no node here a label says nothing, and does no harm
            Labels = [.. subgraph.Labels.Select(l => l with { Site = new FeatureName(l.Site, 0).Among(sites)?.Site ?? l.Site })],
        };
    }

    /// <summary>Indices of its nodes in the run; empty without a subgraph.</summary>
    /// <param name="subgraph">By the run's own names of its sites.</param>
    public static IReadOnlySet<int> Of(Subgraph? subgraph, StoredRun stored)
    {
        if (subgraph is null) return new HashSet<int>();
        var index = Index(stored);
        return subgraph.Pins.Select(n => index[Key(n)]).ToHashSet();
    }

    private static (string, int, int) Key(FeatureName node) => (node.Site, node.Position ?? TokenPosition.All, node.Feature);

    private static Dictionary<(string, int, int), int> Index(StoredRun stored) =>
        stored.Nodes.Index().ToDictionary(n => (n.Item.Site, n.Item.Position, n.Item.Feature), n => n.Index);
}
