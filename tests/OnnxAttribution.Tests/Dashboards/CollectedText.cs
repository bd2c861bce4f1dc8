using System.Text;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>Runs of <c>features</c> over a made-up text on copies of a small bundle.</summary>
internal sealed class CollectedText : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    /// <param name="bundle">Is copied, so that tables of one test do not meet those of another.</param>
    public CollectedText(string bundle, string? text = null)
    {
        foreach (var from in Directory.GetFiles(bundle, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(Bundle, Path.GetRelativePath(bundle, from));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to);
        }
        File.WriteAllText(TextPath, text ?? Random());
    }

    public string Bundle => _directory["bundle"];

    public string TextPath => _directory["text.txt"];

    public static FeatureOptions Options { get; } = new() { Top = 4, Window = 3, Quantiles = 2 };

    /// <summary>Documents of 1 to 200 letters of a small alphabet, so that contexts repeat.</summary>
    public static string Random(int documents = 40)
    {
        var random = new Random(3);
        var text = new StringBuilder();
        for (var i = 0; i < documents; i++)
        {
            for (var n = random.Next(1, 200); n > 0; n--) text.Append("abc de.f\n"[random.Next(9)]);
            text.Append("!\n<|endoftext|>\n");
        }
        return text.ToString();
    }

    public FeatureSummary Run(FeatureOptions? options = null, IReadOnlyList<string>? sites = null, CancellationToken cancel = default,
        Action<FeatureProgress>? progress = null, long memoryBudget = RunContext.DefaultMemoryBudget)
    {
        using var model = LoadedModel.Open(Bundle, sites, new RunContext(threads: 2, cancel: cancel, memoryBudget: memoryBudget));
        return FeatureRun.Collect(model, TextPath, options ?? Options, progress is null ? null : new Told(progress));
    }

    public FeatureTable Table => FeatureTable.Open(Bundle)!;

    public byte[] Bytes => File.ReadAllBytes(Table.Path);

    /// <summary>What is in the bundle and was not exported.</summary>
    public string[] Extra => [.. Directory.GetFiles(Bundle).Select(f => Path.GetFileName(f)!).Where(n => n.Contains("features")).Order()];

    public void Dispose() => _directory.Dispose();

    private sealed class Told(Action<FeatureProgress> action) : IProgress<FeatureProgress>
    {
        public void Report(FeatureProgress value) => action(value);
    }
}
