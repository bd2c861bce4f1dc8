using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Dashboards;

/// <summary>What an import of labels did.</summary>
/// <param name="Imported">Labels of the files, one a feature.</param>
/// <param name="Replaced">Of them, features that had another label.</param>
/// <param name="All">Labels that the bundle has now.</param>
internal sealed record LabelSummary(int Imported, int Replaced, int All, IReadOnlyList<string> Sites);

/// <summary>Brings labels into a bundle: each is of a feature that a dictionary of the bundle has.</summary>
internal sealed class LabelImport
{
    private readonly ModelBundle _bundle;
    private readonly List<(string Site, int Features, string? Source)> _dictionaries = [];

    private LabelImport(ModelBundle bundle)
    {
        _bundle = bundle;
        foreach (var record in bundle.Manifest.Dictionaries)
        {
            using var dictionary = bundle.Open(record);
            _dictionaries.Add((LabelTable.SiteOf(record, bundle.Manifest), dictionary.FeatureCount, dictionary.NeuronpediaId));
        }
    }

    /// <summary>Reads files of labels (<see cref="LabelLines"/>) into the bundle's table. Of several labels for a feature the last counts;
    /// what the table had of other features stays.</summary>
    /// <exception cref="BundleException">The bundle is missing or damaged.</exception>
    /// <exception cref="DashboardException">A file cannot be read, or a label is of no feature of the bundle;
    /// nothing is written.</exception>
    /// <exception cref="Store.RunDirectoryException">The table is damaged or cannot be written.</exception>
    public static LabelSummary Run(string bundleDirectory, IReadOnlyList<string> files, CancellationToken cancel)
    {
        var import = new LabelImport(ModelBundle.Open(bundleDirectory));
        var labels = new List<FeatureLabel>();
        foreach (var file in files)
        {
            foreach (var line in LabelLines.Read(file))
            {
                cancel.ThrowIfCancellationRequested();
                labels.Add(import.Placed(line, Path.GetFileName(file)));
            }
        }
        return labels.Count > 0 ? Merge(import._bundle, labels, cancel)
            : throw new DashboardException($"{string.Join(", ", files)}: no label in {(files.Count == 1 ? "it" : "them")}; check the path");
    }

    /// <summary>Puts labels into a bundle's table.</summary>
    internal static LabelSummary Merge(ModelBundle bundle, IReadOnlyList<FeatureLabel> labels, CancellationToken cancel)
    {
        var hash = LoadedModel.HashOf(bundle.Directory);
        var before = LabelTable.Open(bundle.Directory) is { } table && table.BundleSha256 == hash ? table.ReadAll(cancel) : [];
        var all = before.ToDictionary(l => (l.Site, l.Feature));
        var imported = labels.GroupBy(l => (l.Site, l.Feature)).ToDictionary(g => g.Key, g => g.Last());
        var replaced = imported.Count(l => all.TryGetValue(l.Key, out var old) && old.Label != l.Value.Label);
        foreach (var (key, label) in imported) all[key] = label;
        var order = bundle.Sites.Select((s, i) => (s.Name, i)).ToDictionary(s => s.Name, s => s.i);
        LabelTable.Write(bundle.Directory, all.Values.OrderBy(l => order[l.Site]).ThenBy(l => l.Feature), hash, cancel);
        return new LabelSummary(imported.Count, replaced, all.Count, [.. imported.Keys.Select(k => k.Site).Distinct()
            .OrderBy(s => order[s])]);
    }

    private FeatureLabel Placed(LabelLine line, string file)
    {
        var (site, features, source) = Dictionary(line);
        if (line.Feature < 0 || line.Feature >= features)
        {
            throw new DashboardException($"{line.Place}: {site} has no feature {line.Feature}; its features are 0 to {features - 1}");
        }
        var from = line.Source ?? (line.By.Length > 0 && line.Site is not null ? line.By : file);
        var by = line.Source is not null && line.By.Length > 0 ? $" by {line.By}" : "";
        return new FeatureLabel(site, line.Feature, line.Label, from + by);
    }

    private (string Site, int Features, string? Source) Dictionary(LabelLine line)
    {
        if (line.Site is { } name)
        {
            var site = SiteNamed(line.Place, name);
            return _dictionaries.Find(d => d.Site == site) is { Site: not null } found ? found
                : throw new DashboardException($"{line.Place}: {site} has no dictionary, so there are no features to label");
        }
        if (line.Source is { } wanted)
        {
            return _dictionaries.Find(d => d.Source == wanted) is { Site: not null } found ? found : throw OfNoDictionary(line, wanted);
        }
        return _dictionaries.Where(d => Site.Parse(d.Site).Layer == line.Layer).ToList() is [var only] ? only
            : throw new DashboardException($"{line.Place} is of layer {line.Layer}, which has no or more than one dictionary here; "
                + "say which by a key 'site'");
    }

    private string SiteNamed(string place, string name)
    {
        try
        {
            return _bundle.SiteNamed(Site.FromShort(name) ?? name).Name;
        }
        catch (BundleException e)
        {
            throw new DashboardException($"{place}: {e.Message}", e);
        }
    }

    private DashboardException OfNoDictionary(LabelLine line, string wanted)
    {
        var known = _dictionaries.Where(d => d.Source is not null).Select(d => d.Source!).ToList();
        var have = known.Count > 0 ? $"they are {string.Join(", ", known.Take(3))}{(known.Count > 3 ? ", …" : "")}"
            : "none says its name on Neuronpedia (neuronpedia_id in cfg.json, or its place among published releases)";
        return new DashboardException(
            $"{line.Place} is a label of {DisplayText.QuotedName(wanted)}, which is no dictionary of this bundle: {have}");
    }
}
