using OnnxAttribution.Bundles;

namespace OnnxAttribution.View.Page;

/// <summary>What a page has of a subgraph, and of groups that are suggested, by its own indices.</summary>
/// <param name="features">Indices of the page's features.</param>
internal sealed class PageChoice(RunPicture picture, IReadOnlyDictionary<(string Site, int Feature), int> features)
{
    private readonly SuggestedGroups _suggested = picture.Suggested ?? AlikeNodes.ByEdges(picture);

    /// <summary>Why decoder rows were not compared; null: they were.</summary>
    public string? Note => _suggested.Note;

    /// <summary>Null: nothing is chosen.</summary>
    public PageSubgraph? Subgraph()
    {
        if (picture.Subgraph is not { } subgraph) return null;
        var index = picture.Nodes.Index().Where(n => !n.Item.IsMetric)
            .ToDictionary(n => (n.Item.Site!.Name, n.Item.Position, n.Item.Feature), n => n.Index);
        IReadOnlyList<int> Indices(IEnumerable<FeatureName> nodes) =>
            [.. nodes.Select(n => index[(n.Site, n.Position ?? TokenPosition.All, n.Feature)])];
        return new PageSubgraph(Indices(subgraph.Pins), [.. subgraph.Groups.Select(g => new PageGroup(g.Name, Indices(g.Nodes)))],
            [.. subgraph.Labels.Where(l => features.ContainsKey((l.Site, l.Feature)))
                .Select(l => new PageLabel(features[(l.Site, l.Feature)], l.Label))], subgraph.Notes);
    }

    public IReadOnlyList<PageSuggestion> Suggestions() =>
        [.. _suggested.Groups.Select(g => new PageSuggestion(g.By, g.Nodes, FiveDigits.Of(g.Least)))];
}
