using OnnxAttribution.Bundles;

namespace OnnxAttribution.Store;

/// <summary>Chosen nodes of a run: pins, groups of them with names, labels of the reader's own, and notes.</summary>
/// <param name="Pins">Each once; every node of a group is among them.</param>
/// <param name="Groups">Disjoint, with different names.</param>
/// <param name="Labels">One a feature, or a site's error.</param>
internal sealed record Subgraph(IReadOnlyList<FeatureName> Pins, IReadOnlyList<SubgraphGroup> Groups, IReadOnlyList<SubgraphLabel> Labels,
    string Notes)
{
    /// <summary>The run that it is of; null: it does not say.</summary>
    public SubgraphRun? Run { get; init; }

    /// <summary>The file that it is from, for messages.</summary>
    public string Source { get; init; } = "the subgraph";

    /// <summary>Pins that no group holds.</summary>
    public IEnumerable<FeatureName> Single
    {
        get
        {
            var grouped = Groups.SelectMany(g => g.Nodes).ToHashSet();
            return Pins.Where(p => !grouped.Contains(p));
        }
    }

    /// <summary>The reader's own label of a feature; null: there is none.</summary>
    public string? LabelOf(string site, int feature) => Labels.FirstOrDefault(l => l.Site == site && l.Feature == feature)?.Label;
}

/// <summary>Nodes that are read as one.</summary>
internal sealed record SubgraphGroup(string Name, IReadOnlyList<FeatureName> Nodes);

/// <summary>A label that the reader gave a feature, at whatever position.</summary>
/// <param name="Feature">−1: the site's error.</param>
internal sealed record SubgraphLabel(string Site, int Feature, string Label);

/// <summary>Which run a subgraph is of. All may be left open.</summary>
/// <param name="Path">The run directory, where it lay when the page saved the file.</param>
/// <param name="FinishedAt">run.json's <c>finished_at</c>.</param>
/// <param name="BundleSha256">run.json's <c>bundle_sha256</c>.</param>
/// <param name="Prompt">The clean prompt, for readers.</param>
/// <param name="Metric">What is explained, for readers.</param>
internal sealed record SubgraphRun(string? Path, string? FinishedAt, string? BundleSha256, string? Prompt, string? Metric)
{
    /// <summary>Whether a run can be this one: what both say is the same.</summary>
    public bool CanBe(RunRecord run) => Same(BundleSha256, run.BundleSha256) && Same(FinishedAt, run.FinishedAt);

    private static bool Same(string? one, string? other) => one is null || other is null || one == other;
}
