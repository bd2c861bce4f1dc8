using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>A bundle's <c>labels.parquet</c>: what its features are said to stand for. Nothing is held open.</summary>
internal sealed class LabelTable
{
    /// <summary>The file's name within the bundle, which does not list it among its own files.</summary>
    public const string FileName = RunNames.LabelsFile;

    private const string HashKey = "bundle_sha256";

    private readonly string _file;

    private LabelTable(string file, string bundleSha256) => (_file, BundleSha256) = (file, bundleSha256);

    /// <summary>SHA-256 of the bundle.json that the labels were imported for.</summary>
    public string BundleSha256 { get; }

    /// <summary>Opens the table of a bundle; null where the bundle has none.</summary>
    /// <exception cref="RunDirectoryException">The file is damaged or cannot be read.</exception>
    public static LabelTable? Open(string bundleDirectory)
    {
        var file = Path.GetFullPath(Path.Combine(bundleDirectory, FileName));
        if (!File.Exists(file)) return null;
        return NestedParquet.Facts(file, CancellationToken.None).TryGetValue(HashKey, out var hash) ? new LabelTable(file, hash)
            : throw RunDirectoryException.Corrupt(file, $"its metadata have no {HashKey}");
    }

    /// <summary>The site that a dictionary's labels stand under: the one that its features are named by, which of a transcoder is what it
    /// writes; but where another dictionary is at that site, what it reads.</summary>
    public static string SiteOf(BundleManifest.DictionaryRecord dictionary, BundleManifest bundle) =>
        dictionary.Output is not { } output || bundle.Dictionaries.Any(d => d.Output is null && d.Site == output)
            ? dictionary.Site : output;

    /// <summary>All labels, in the file's order: sites in the order of computation, features ascending.</summary>
    /// <exception cref="RunDirectoryException">The file is damaged.</exception>
    public IReadOnlyList<FeatureLabel> ReadAll(CancellationToken cancel = default)
    {
        try
        {
            return [.. NestedParquet.Read(_file, FeatureLabel.Columns, NestedParquet.All, cancel).Select(FeatureLabel.Parse)];
        }
        catch (FormatException e)
        {
            throw RunDirectoryException.Corrupt(_file, e.Message, e);
        }
    }

    /// <summary>Writes a bundle's table whole, in place of an older one.</summary>
    /// <param name="bundleSha256">Of its bundle.json.</param>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public static void Write(string bundleDirectory, IEnumerable<FeatureLabel> labels, string bundleSha256, CancellationToken cancel)
    {
        var file = Path.GetFullPath(Path.Combine(bundleDirectory, FileName));
        using var output = new OutputFile(file, why => RunDirectoryException.Unwritable(file, why), cancel);
        NestedParquet.Write(output.Aside, FeatureLabel.Columns, labels.Select(l => l.Cells()), [(HashKey, bundleSha256)], cancel);
        cancel.ThrowIfCancellationRequested();
        output.Commit();
    }
}
