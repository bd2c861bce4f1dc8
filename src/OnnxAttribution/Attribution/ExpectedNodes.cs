using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>What tells how many features are active at a site before a prompt is run.</summary>
public enum FeatureSource
{
    /// <summary>The site has no dictionary: its nodes are errors.</summary>
    None,

    /// <summary>k of a TopK dictionary: at most so many.</summary>
    K,

    /// <summary>The firing rates of the bundle's <c>features.parquet</c>, added up.</summary>
    FiringRates,

    /// <summary>A short piece of the prompt, run and encoded.</summary>
    Sample,

    /// <summary>Nothing is known: none is counted.</summary>
    Unknown,
}

/// <summary>The features that a selected site is expected to have.</summary>
/// <param name="Active">Per position, on average.</param>
internal sealed record ExpectedSite(double Active, FeatureSource Source)
{
    /// <summary>Where the sample's kept features stand, counted back from the metric's position; null: no sample was run.</summary>
    public IReadOnlyList<int>? Kept { get; init; }

    /// <summary>The share of active features that a threshold leaves.</summary>
    public double KeptShare { get; init; } = 1;
}

/// <summary>What is expected of a prompt's nodes before it is run.</summary>
/// <param name="Sites">One for each selected site.</param>
internal sealed record ExpectedNodes(IReadOnlyList<ExpectedSite> Sites)
{
    /// <summary>Positions of the sample; 0: none was run.</summary>
    public int SampleTokens { get; init; }

    /// <summary>The sample's strongest nodes, the strongest first, positions counted back from the metric's; empty without a sample.
    /// </summary>
    public IReadOnlyList<(Site Site, int Back)> Strongest { get; init; } = [];

    /// <summary>Features of each selected site that are active somewhere, were they drawn anew at each position.</summary>
    /// <param name="positions">Of one prompt, or of several together.</param>
    public IEnumerable<(SelectedSite Site, long Features)> Distinct(LoadedModel model, long positions) =>
        model.SelectedSites.Select((site, i) => (site, site.Dictionary is not { } d ? 0 : (long)Math.Ceiling(d.FeatureCount
            * (1 - Math.Pow(1 - Math.Min(1, Sites[i].Active / d.FeatureCount), positions)))));

    /// <summary>How many features of a selected site are kept at each position.</summary>
    /// <remarks>Where no sample says where they stand, the strongest are taken to stand at the metric's position and the last ones before
    /// it.</remarks>
    public int[] KeptAt(int site, int positions, GraphOptions options)
    {
        var (expected, kept, end) = (Sites[site], new int[positions], options.Metric.Position ?? positions - 1);
        if (options.TopNodes is not { } top || expected.Active * positions <= top)
        {
            for (var t = 0; t < positions; t++) kept[t] = Share(expected.Active * expected.KeptShare, t);
            return kept;
        }
        if (expected.Kept is { } found)
        {
            foreach (var back in found) kept[Math.Clamp(end - back, 0, positions - 1)]++;
            return kept;
        }
        for (var t = end; t >= 0 && top > 0; t--) top -= kept[t] = Math.Min(top, Share(expected.Active, t));
        return kept;
    }

    /// <summary>The nodes that are really moved first, by site and position.</summary>
    /// <param name="end">The metric's position.</param>
    /// <remarks>Without a sample they are spread over sites and positions.</remarks>
    public IEnumerable<(Site Site, int Position)> MovedFirst(IReadOnlyList<Site> sites, int end)
    {
        foreach (var (site, back) in Strongest) yield return (site, Math.Max(0, end - back));
        for (var i = 0L; Strongest.Count == 0; i++) yield return (sites[(int)(i % sites.Count)], (int)(i * 7 / sites.Count % (end + 1)));
    }

    // whole numbers whose mean is the number; a count over a length, times the length, may be rounded to below the count
    private static int Share(double each, int at) => (int)(Math.Floor((each * (at + 1)) + 1e-9) - Math.Floor((each * at) + 1e-9));
}
