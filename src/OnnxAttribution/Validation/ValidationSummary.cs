using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Validation;

/// <summary>Checks in figures.</summary>
/// <param name="Nodes">Effects of nodes.</param>
/// <param name="Edges">Effects of edges.</param>
/// <param name="Changes">Changes of downstream features' activations.</param>
/// <param name="WorstNodes">Whose estimates are farthest off, the farthest first; likewise <paramref name="WorstEdges"/>.</param>
internal sealed record ValidationSummary(string Estimator, Agreement Nodes, Agreement Edges, Agreement Changes,
    IReadOnlyList<ValidationCheck> WorstNodes, IReadOnlyList<ValidationCheck> WorstEdges)
{
    private const int Worst = 8;

    /// <summary>Nodes by kind (<c>resid</c>, <c>attn</c>, <c>mlp</c>), features and errors apart.</summary>
    public required IReadOnlyList<(string Kind, bool IsError, Agreement Effects)> ByKind { get; init; }

    /// <summary>Edges by pair of sites, in the order of computation; the metric is null.</summary>
    public required IReadOnlyList<(string Up, string? Down, Agreement Effects, Agreement Changes)> BySitePair { get; init; }

    /// <summary>Nodes, then edges, by the name of their stratum.</summary>
    public required IReadOnlyList<(bool IsEdge, string Stratum, Agreement Effects)> ByStratum { get; init; }

    /// <summary>Summarises the checks of one estimator in one model.</summary>
    /// <param name="checks">Of one estimator or several, in one model or both.</param>
    /// <param name="estimator">The one to summarise.</param>
    /// <param name="model">Where nodes were moved; null: in the only one.</param>
    public static ValidationSummary Summarize(IReadOnlyList<ValidationCheck> checks, string estimator, MovedModel? model = null)
    {
        ValidationCheck[] own = [.. checks.Where(c => c.Estimator == estimator && (model is null || c.Model == model))];
        ValidationCheck[] nodes = [.. own.Where(c => !c.IsEdge)], edges = [.. own.Where(c => c.IsEdge)];
        return new ValidationSummary(estimator, EffectsOf(nodes), EffectsOf(edges), ChangesOf(edges), Farthest(nodes), Farthest(edges))
        {
            ByKind = [.. nodes.GroupBy(c => (c.Up.Site.KindName, c.Up.IsError))
                .OrderBy(g => (g.Min(c => c.Up.Site.Kind), g.Key.IsError))
                .Select(g => (g.Key.KindName, g.Key.IsError, EffectsOf(g)))],
            BySitePair = [.. edges.GroupBy(c => (Up: c.Up.Site, Down: c.Down?.Site)).OrderBy(g => (Order(g.Key.Up), Order(g.Key.Down)))
                .Select(g => (g.Key.Up.Name, g.Key.Down?.Name, EffectsOf(g), ChangesOf(g)))],
            ByStratum = [.. own.GroupBy(c => (c.IsEdge, c.Stratum))
                .OrderBy(g => g.Key)
                .Select(g => (g.Key.IsEdge, g.First().StratumName, EffectsOf(g)))],
        };
    }

    // of computation; the metric comes last
    private static (int, int) Order(Site? site) =>
        site is null ? (int.MaxValue, 0) : (site.Layer, site.OrderInBlock);

    private static Agreement EffectsOf(IEnumerable<ValidationCheck> checks) =>
        Agreement.Between([.. checks.Select(c => (double)c.ExactEffect)], [.. checks.Select(c => (double)c.ApproxEffect)]);

    private static Agreement ChangesOf(IEnumerable<ValidationCheck> checks) =>
        Agreement.Between([.. checks.Select(c => (double)c.ExactChange)], [.. checks.Select(c => (double)c.ApproxChange)]);

    private static List<ValidationCheck> Farthest(ValidationCheck[] checks) =>
        [.. checks.Where(c => c.Miss > 0).OrderByDescending(c => c.Miss).Take(Worst)];
}
