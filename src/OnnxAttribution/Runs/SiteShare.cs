using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Runs;

/// <summary>How much of a site's |effect| its features carry, and how much its errors.</summary>
/// <param name="Nodes">Of them <paramref name="Kept"/> are in the graph.</param>
/// <param name="Features">Σ |effect| of features.</param>
/// <param name="All">Σ |effect| of features and errors.</param>
internal sealed record SiteShare(Site Site, int Nodes, int Kept, double Features, double All)
{
    /// <summary>NaN where nothing has an effect.</summary>
    public double ExplainedByFeatures => Site.Kind == SiteKind.Embed ? double.NaN : Features / All;

    /// <summary>The share over all sites but the tokens, which no dictionary is to explain.</summary>
    public static double Total(IReadOnlyList<SiteShare> shares)
    {
        var sites = shares.Where(s => s.Site.Kind != SiteKind.Embed).ToList();
        return sites.Sum(s => s.Features) / sites.Sum(s => s.All);
    }

    /// <param name="nodes">All nodes, kept or not.</param>
    public static IReadOnlyList<SiteShare> Measure(IReadOnlyList<CausalNode> nodes, IReadOnlyList<Site> sites)
    {
        var places = sites.Select((site, i) => (site, i)).ToDictionary(p => p.site, p => p.i);
        var totals = new (int Nodes, int Kept, double Features, double All)[sites.Count];
        foreach (var n in nodes)
        {
            ref var t = ref totals[places[n.Site]];
            var effect = Math.Abs((double)n.Effect);
            t = (t.Nodes + 1, t.Kept + (n.Kept ? 1 : 0), t.Features + (n.IsError ? 0 : effect), t.All + effect);
        }
        return [.. sites.Zip(totals, (s, t) => new SiteShare(s, t.Nodes, t.Kept, t.Features, t.All))];
    }
}
