using System.Globalization;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>A bundle's <c>features.parquet</c>: what a text says about each of its dictionaries' features.
/// Nothing is held open; a table may be read by several threads.</summary>
internal sealed class FeatureTable
{
    /// <summary>The file's name within the bundle, which does not list it among its own files: a bundle is whole without.</summary>
    public const string FileName = RunNames.FeaturesFile;

    private readonly string _file;
    private readonly IReadOnlyDictionary<string, string> _facts;

    private FeatureTable(string file, IReadOnlyDictionary<string, string> facts) => (_file, _facts) = (file, facts);

    /// <summary>Absolute path of the file.</summary>
    public string Path => _file;

    /// <summary>SHA-256 of the bundle.json that the table was made of.</summary>
    public string BundleSha256 => _facts["bundle_sha256"];

    /// <summary>Name of the text's file, without its directory.</summary>
    public string Text => _facts.GetValueOrDefault("text", "");

    /// <summary>Tokens read, BOS positions not counted.</summary>
    public long Tokens => long.Parse(_facts["tokens"], CultureInfo.InvariantCulture);

    /// <summary>Documents read, the last one perhaps in part.</summary>
    public long Documents => long.Parse(_facts["documents"], CultureInfo.InvariantCulture);

    /// <summary>Hook names of the sites in the table; null where the table does not say.</summary>
    internal IReadOnlyList<string>? Sites => _facts.GetValueOrDefault("sites")?.Split(',');

    /// <summary>The file's whole key-value metadata: options, text, tokens, program and version.</summary>
    public IReadOnlyDictionary<string, string> Facts => _facts;

    /// <summary>Opens the table of a bundle; null where the bundle has none.</summary>
    /// <exception cref="RunDirectoryException">The file is damaged or cannot be read.</exception>
    public static FeatureTable? Open(string bundleDirectory)
    {
        var file = System.IO.Path.GetFullPath(System.IO.Path.Combine(bundleDirectory, FileName));
        if (!File.Exists(file)) return null;
        var facts = NestedParquet.Facts(file, CancellationToken.None);
        foreach (var name in (string[])["bundle_sha256", "tokens", "documents"])
        {
            if (!facts.TryGetValue(name, out var text)) throw RunDirectoryException.Corrupt(file, $"its metadata have no {name}");
            if (name != "bundle_sha256" && !long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out _))
            {
                throw RunDirectoryException.Corrupt(file, $"its metadata give {name} that are no number");
            }
        }
        return new FeatureTable(file, facts);
    }

    /// <summary>Whether the table was made of the bundle with this <see cref="Model.LoadedModel.BundleHash"/>,
    /// and so speaks of its features.</summary>
    public bool IsOf(string bundleSha256) => string.Equals(BundleSha256, bundleSha256, StringComparison.OrdinalIgnoreCase);

    /// <summary>The dashboards of chosen features; what the table does not have is not in the result.</summary>
    /// <param name="features">Sites as the bundle names them.</param>
    /// <exception cref="RunDirectoryException">The file is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> Read(IReadOnlyCollection<(string Site, int Feature)> features,
        CancellationToken cancel = default)
    {
        if (features.Count == 0) return new Dictionary<(string, int), FeatureDashboard>();
        var conditions = features.Distinct().GroupBy(f => f.Site).Select(site =>
            $"(site = {SqlText.Literal(site.Key)} AND feature IN ({string.Join(", ", site.Select(f => f.Feature).Order())}))");
        return Rows(string.Join(" OR ", conditions), cancel).ToDictionary(f => (f.Site, f.Feature));
    }

    /// <summary>All dashboards of some sites, streamed in the file's order:
    /// sites in the order of computation, features ascending.</summary>
    /// <param name="sites">As the bundle names them; null: all.</param>
    /// <inheritdoc cref="Read" path="/exception"/>
    public IEnumerable<FeatureDashboard> ReadAll(IReadOnlyCollection<string>? sites = null, CancellationToken cancel = default) =>
        Rows(sites is null ? NestedParquet.All : OfSites(sites), cancel);

    /// <summary>The dashboards of live features in whose contexts or promoted tokens a word stands,
    /// whether the feature is active on it or not.</summary>
    internal IEnumerable<FeatureDashboard> WithWord(string word, IReadOnlyCollection<string>? sites, CancellationToken cancel)
    {
        var wanted = $"lower({SqlText.Literal(word)})";
        var condition = "NOT dead AND (len(list_filter(contexts, lambda c: contains(lower(array_to_string(c.tokens, '')), "
            + $"{wanted}))) > 0 OR len(list_filter(promoted, lambda t: contains(lower(t.token), {wanted}))) > 0)";
        return Rows(sites is null ? condition : $"{OfSites(sites)} AND {condition}", cancel);
    }

    /// <summary>Writes a file of rows.</summary>
    internal static void Write(string file, IEnumerable<FeatureDashboard> rows, IEnumerable<(string Name, string Text)> metadata,
        CancellationToken cancel) =>
        NestedParquet.Write(file, DashboardRow.Columns, rows.Select(DashboardRow.Cells), metadata, cancel);

    private static string OfSites(IEnumerable<string> sites) => $"site IN ({string.Join(", ", sites.Select(SqlText.Literal))})";

    private IEnumerable<FeatureDashboard> Rows(string condition, CancellationToken cancel)
    {
        foreach (var cells in NestedParquet.Read(_file, DashboardRow.Columns, condition, cancel))
        {
            FeatureDashboard row;
            try
            {
                row = DashboardRow.Parse(cells);
            }
            catch (FormatException e)
            {
                throw RunDirectoryException.Corrupt(_file, e.Message, e);
            }
            yield return row;
        }
    }
}
