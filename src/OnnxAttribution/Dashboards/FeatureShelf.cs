using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>A bundle's dashboards for somebody who asks by name. Opens no model.</summary>
internal sealed class FeatureShelf
{
    private readonly ModelBundle _bundle;

    private FeatureShelf(ModelBundle bundle, FeatureTable table) =>
        (_bundle, Table, Labels) = (bundle, table, RunLabels.OfBundle(bundle.Directory, table.BundleSha256));

    public ModelBundle Bundle => _bundle;

    public FeatureTable Table { get; }

    /// <summary>What the features are said to stand for.</summary>
    public RunLabels Labels { get; }

    /// <exception cref="BundleException">The bundle is missing or damaged.</exception>
    /// <exception cref="DashboardException">It has no dashboards, or those of another model.</exception>
    /// <exception cref="RunDirectoryException">The table is damaged.</exception>
    public static FeatureShelf Open(string bundleDirectory)
    {
        var bundle = ModelBundle.Open(bundleDirectory);
        var table = FeatureTable.Open(bundle.Directory)
            ?? throw new DashboardException($"{bundle.Directory} has no {FeatureTable.FileName}; collect dashboards from a text")
            {
                Next = new NextStep(StepKind.CollectFeatures, bundleDirectory)
            };
        return table.IsOf(LoadedModel.HashOf(bundle.Directory)) ? new FeatureShelf(bundle, table)
            : throw new DashboardException(
                $"{table.Path} was made before the bundle was exported anew, or of another; collect it again from a text")
            {
                Next = new NextStep(StepKind.CollectFeaturesAnew, bundleDirectory)
            };
    }

    /// <summary>One feature's dashboard.</summary>
    /// <exception cref="BundleException">There is no such site; the message names the nearest.</exception>
    /// <exception cref="DashboardException">The site has no dictionary or not so many features,
    /// or the table leaves the site out.</exception>
    public FeatureDashboard Feature(FeatureName name, CancellationToken cancel = default)
    {
        var site = _bundle.SiteNamed(name.Site);
        using (var dictionary = _bundle.OpenDictionary(site)
            ?? throw new DashboardException($"{site.Name} has no dictionary, so there are no features; "
                + $"dictionaries are at {string.Join(", ", _bundle.Sites.Where(_bundle.HasDictionary))}"))
        {
            if (name.Feature >= dictionary.FeatureCount)
            {
                throw new DashboardException(
                    $"{site.Name} has no feature {name.Feature}; its features are 0 to {dictionary.FeatureCount - 1}");
            }
        }
        return Table.Read([(site.Name, name.Feature)], cancel).TryGetValue((site.Name, name.Feature), out var found) ? found
            : throw LeftOut([site.Name]);
    }

    /// <summary>Hook names of sites given by kind or name; null: all.</summary>
    /// <exception cref="BundleException">There is no such site; the message names the nearest.</exception>
    /// <exception cref="DashboardException">The table leaves all of them out.</exception>
    public IReadOnlyCollection<string>? Sites(IReadOnlyList<string>? names)
    {
        if (names is null or []) return null;
        var sites = _bundle.SitesNamed(names).Select(s => s.Name).ToList();
        return Table.Sites is { } read && !sites.Exists(read.Contains) ? throw LeftOut(sites) : sites;
    }

    private DashboardException LeftOut(IEnumerable<string> sites) =>
        new($"{Table.Path} leaves out {string.Join(", ", sites)}; collect all sites from a text")
        {
            Next = new NextStep(StepKind.CollectFeaturesAnew, _bundle.Directory)
        };
}
