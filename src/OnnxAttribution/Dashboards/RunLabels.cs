using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>The labels of a run's model, for who names its features: read when the first is asked for. Where the bundle has
/// none, is gone or is another model by now, there are none: a run is read without them.</summary>
internal sealed class RunLabels
{
    private const int MostShown = 48;

    private readonly Lazy<IReadOnlyDictionary<(string Site, int Feature), FeatureLabel>> _labels;

    private RunLabels(Func<IReadOnlyDictionary<(string Site, int Feature), FeatureLabel>> read) => _labels = new(read);

    public static RunLabels None { get; } = new(() => new Dictionary<(string, int), FeatureLabel>());

    /// <param name="run">The run directory.</param>
    /// <param name="record">Its run.json.</param>
    public static RunLabels Of(string run, RunRecord record) =>
        record is { ModelPath: { Length: > 0 } path, BundleSha256: { } hash }
            ? new RunLabels(() => Read(record, BundlePath.Of(run, path), hash))
            : None;

    /// <summary>A run's, from where its bundle is now.</summary>
    /// <param name="record">Its run.json; where that does not say of which bundle it is, this one is taken for it.</param>
    /// <param name="bundle">The bundle's directory.</param>
    public static RunLabels OfMoved(RunRecord record, string bundle) =>
        new(() => Read(record, bundle, record.BundleSha256 ?? LoadedModel.HashOf(bundle)));

    /// <param name="run">The run directory, or a batch's.</param>
    /// <exception cref="RunDirectoryException">It is no finished run.</exception>
    public static RunLabels Of(string run) => Of(MergedRun.Locate(run), RunDirectory.ReadRecord(run));

    /// <summary>A bundle's, whatever run it is for.</summary>
    /// <param name="bundleSha256">Of its bundle.json.</param>
    public static RunLabels OfBundle(string directory, string bundleSha256) => new(() => Read(directory, bundleSha256));

    public bool Any => _labels.Value.Count > 0;

    /// <summary>null: it has no label.</summary>
    public FeatureLabel? this[string site, int feature] => _labels.Value.GetValueOrDefault((site, feature));

    /// <summary>Features whose label holds a word; capitals do not matter.</summary>
    /// <param name="sites">Hook names; null: all.</param>
    public IEnumerable<(string Site, int Feature)> With(string word, IReadOnlyCollection<string>? sites) => _labels.Value.Values
        .Where(l => sites?.Contains(l.Site) != false && l.Label.Contains(word, StringComparison.OrdinalIgnoreCase))
        .Select(l => (l.Site, l.Feature));

    /// <summary>A label behind a feature's name, in quotes and on one line: <c> “months”</c>; empty where there is none.</summary>
    public string Behind(string site, int feature) =>
        this[site, feature] is { } label ? $" {DisplayText.QuotedStart(label.Label, MostShown)}" : "";

    private static bool IsReplaced(RunRecord record) =>
        (record as GraphRunRecord)?.Options?.Replace is not null || (record as MergedRunRecord)?.Options?.Replace is not null;

    private static IReadOnlyDictionary<(string, int), FeatureLabel> Read(RunRecord record, string directory, string hash) =>
        IsReplaced(record) ? ReadOfTranscoders(directory, hash) : Read(directory, hash);

    // at an MLP's output stand a transcoder's features, whatever dictionary is there too
    private static IReadOnlyDictionary<(string, int), FeatureLabel> ReadOfTranscoders(string directory, string hash)
    {
        var labels = Read(directory, hash);
        try
        {
            var manifest = labels.Count > 0 ? BundleManifest.Read(directory) : null;
            var outputs = (manifest?.Dictionaries ?? []).Where(d => d.Output is not null)
                .ToDictionary(d => LabelTable.SiteOf(d, manifest!), d => d.Output!);
            return labels.Values.Where(l => outputs.ContainsKey(l.Site) || !outputs.ContainsValue(l.Site))
                .ToDictionary(l => (outputs.GetValueOrDefault(l.Site, l.Site), l.Feature));
        }
        catch (BundleException)
        {
            return None._labels.Value;
        }
    }

    private static IReadOnlyDictionary<(string, int), FeatureLabel> Read(string directory, string hash)
    {
        try
        {
            return LabelTable.Open(directory) is { } table && string.Equals(table.BundleSha256, hash, StringComparison.OrdinalIgnoreCase)
                ? table.ReadAll().DistinctBy(l => (l.Site, l.Feature)).ToDictionary(l => (l.Site, l.Feature))
                : new Dictionary<(string, int), FeatureLabel>();
        }
        catch (RunDirectoryException)
        {
            return new Dictionary<(string, int), FeatureLabel>();
        }
    }
}
