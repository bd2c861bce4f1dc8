using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>The dictionaries of a bundle that is being made, checked against its model's sites. Owns them; who opens them disposes this.</summary>
internal sealed class BundleDictionaries : IDisposable
{
    public const string Folder = "dictionaries";

    private readonly IReadOnlyList<SaeLensDictionary> _all;
    private readonly int _layers;
    private readonly IReadOnlyDictionary<string, int> _widths;

    private BundleDictionaries(IReadOnlyList<SaeLensDictionary> all, int layers, IReadOnlyDictionary<string, int> widths) => (_all, _layers, _widths) = (all, layers, widths);

    /// <inheritdoc cref="Open(ExportOptions, int, IReadOnlyDictionary{string, int})"/>
    public static BundleDictionaries Open(ExportOptions options, ModelArchitecture model) =>
        Open(options, model.Shape.Layers, model.SiteNames.ToDictionary(name => name, name => model.WidthOf(Site.Parse(name))));

    /// <param name="widths">Of every site that a dictionary may be for, in the order of computation.</param>
    /// <exception cref="BundleException">There is no such folder, or a dictionary is for no site of the model, of another width, or the second of its site.</exception>
    public static BundleDictionaries Open(ExportOptions options, int layers, IReadOnlyDictionary<string, int> widths)
    {
        var folder = options.Dictionaries ?? Path.Combine(options.Checkpoint, Folder);
        if (!Directory.Exists(folder)) return options.Dictionaries is null ? new([], layers, widths) : throw new BundleException($"there is no directory {folder}; give --dictionaries the folder that holds the SAELens dictionaries");
        var found = new BundleDictionaries(SaeLensDictionary.OpenAll(folder), layers, widths);
        try
        {
            found.Check();
            return found;
        }
        catch
        {
            found.Dispose();
            throw;
        }
    }

    /// <summary>Names of the sites that they are for.</summary>
    public IEnumerable<string> Sites => _all.Select(d => Site.Canonical(d.HookName, _layers));

    /// <summary>What reads every weight once, with the path that each file has in the bundle.</summary>
    public IEnumerable<(string Path, WeightCheck Check)> Checks(string bundle, bool inPlace) => _all.Select(d => ($"{FolderOf(d, bundle, inPlace)}/{SaeLensDictionary.WeightsFileName}", d.Check));

    /// <summary>Links the files into the bundle: weights are not copied where the file system can help it.</summary>
    public void Bring(string bundle)
    {
        foreach (var d in _all)
        {
            var folder = Path.Combine(bundle, Folder, d.HookName);
            Directory.CreateDirectory(folder);
            foreach (var name in (string[])["cfg.json", "sae_weights.safetensors"]) FileLink.Make(Path.Combine(d.Directory, name), Path.Combine(folder, name));
        }
    }

    /// <param name="sites">In the order of computation.</param>
    /// <param name="inPlace">The bundle is the checkpoint's directory: the dictionaries lie in it already.</param>
    public IReadOnlyList<BundleManifest.DictionaryRecord> Records(string bundle, IReadOnlyList<string> sites, bool inPlace) =>
    [
        .. _all.Select(d => new BundleManifest.DictionaryRecord(Site.Canonical(d.HookName, _layers), d.HookName,
                FolderOf(d, bundle, inPlace), d.Architecture.Name(), d.FeatureCount, d.Architecture == DictionaryArchitecture.TopK ? d.K : null,
                d.Normalization.Name(), d.PrependBos))
            .OrderBy(r => sites.ToList().IndexOf(r.Site)),
    ];

    /// <summary>The files of a dictionary, by their paths in the bundle.</summary>
    public static IEnumerable<string> Files(BundleManifest.DictionaryRecord record) => [$"{record.Path}/cfg.json", $"{record.Path}/sae_weights.safetensors"];

    public void Dispose()
    {
        foreach (var d in _all) d.Dispose();
    }

    private static string FolderOf(SaeLensDictionary d, string bundle, bool inPlace) => inPlace ? Path.GetRelativePath(bundle, d.Directory).Replace('\\', '/') : $"{Folder}/{d.HookName}";

    private void Check()
    {
        var taken = new Dictionary<string, string>();
        foreach (var d in _all)
        {
            var site = Site.Canonical(d.HookName, _layers);
            if (!_widths.TryGetValue(site, out var width))
            {
                throw new BundleException($"{d.Directory} is a dictionary for '{d.HookName}', which this model ({_layers} layers) does not have as a site; its sites are {string.Join(", ", _widths.Keys.Take(3))}, …");
            }
            if (d.Width != width) throw new BundleException($"{d.Directory} is a dictionary of width {d.Width}, the model has width {width}; it belongs to another model");
            if (!taken.TryAdd(site, d.Directory)) throw new BundleException($"{taken[site]} and {d.Directory} are both dictionaries of {site}; keep one of them");
        }
    }
}
