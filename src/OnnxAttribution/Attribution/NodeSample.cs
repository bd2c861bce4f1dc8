using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>
/// What a prompt's nodes are expected to be, before it is run.
/// 1. Where the bundle says how many features are active, that is taken: k of TopK, firing rates of its dashboards.
/// 2. Where it does not, a piece of the prompt is run forward and backward once and encoded: its first token and the last ones up to the
///    metric's position. It also tells where the strongest features stand.
/// </summary>
internal static class NodeSample
{
    /// <summary>Tokens of the piece at most.</summary>
    public const int MostTokens = 16;

    /// <param name="tokens">The prompt's; null: nothing is run, and what the bundle does not say is not known.</param>
    /// <param name="options">As they count for the model.</param>
    /// <param name="firingRates">Sums by hook name, where the bundle has them.</param>
    public static ExpectedNodes Of(LoadedModel model, int[]? tokens, GraphOptions options, IReadOnlyDictionary<string, double> firingRates)
    {
        var sites = model.SelectedSites.Select(site => Known(site, firingRates)).ToList();
        if (tokens is null || sites.All(s => s.Source != FeatureSource.Unknown)) return new(sites);
        var end = options.Metric.Position is { } p && p < tokens.Length ? p + 1 : tokens.Length;
        var piece = end <= MostTokens ? tokens[..end] : [tokens[0], .. tokens[(end - MostTokens + 1)..end]];
        var metric = options.Metric with { Position = null, Kind = Kind(options.Metric.Kind) };
        var state = PatchingState.Run(model, piece, null, options with { Metric = metric, Method = EffectMethod.Atp, ExactDepth = null });
        state.Expand();
        var nodes = state.Effects();
        Selection.KeepStrongest(nodes, options);
        int Back(CausalNode node) => piece.Length - 1 - node.Position;
        return new([.. sites.Zip(state.Sites, (known, site) => Seen(known, nodes.GetRange(site.FirstNode, site.Nodes.Count), Back))])
        {
            SampleTokens = piece.Length,
            Strongest = [.. nodes.OrderByDescending(n => Math.Abs(n.Effect)).Take(Refinement.Shallow * Math.Max(1, options.RefinedNodes))
                .Select(n => (n.Site, Back(n)))],
        };
    }

    private static MetricKind Kind(MetricKind kind) => kind == MetricKind.Kl ? MetricKind.Logit : kind;

    private static ExpectedSite Known(SelectedSite site, IReadOnlyDictionary<string, double> firingRates) =>
        site.Dictionary is null ? new(0, FeatureSource.None)
            : site.Dictionary.K is { } k ? new(k, FeatureSource.K)
            : firingRates.TryGetValue(site.Site.Name, out var sum) ? new(sum, FeatureSource.FiringRates)
            : new(0, FeatureSource.Unknown);

    private static ExpectedSite Seen(ExpectedSite known, List<CausalNode> nodes, Func<CausalNode, int> back)
    {
        var (features, kept) = (nodes.Count(n => !n.IsError), nodes.Where(n => n is { IsError: false, Kept: true }).ToList());
        var positions = Math.Max(1, nodes.Count - features);
        if (known.Source == FeatureSource.Unknown) known = new((double)features / positions, FeatureSource.Sample);
        return known with { Kept = [.. kept.Select(back)], KeptShare = features == 0 ? 1 : (double)kept.Count / features };
    }
}
