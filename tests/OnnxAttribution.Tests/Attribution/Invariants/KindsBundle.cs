using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Dictionaries;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>random2-kinds: another kind of dictionary at each of 7 sites (see Goldens/README.md),
/// exported once for a class of tests.</summary>
public sealed class KindsBundle : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public KindsBundle()
    {
        BundleWriter.Write(new ExportOptions(Checkpoint, null, _directory["bundle"]));
        using var golden = GoldenCase.Open("random2-kinds-patch");
        (Tokens, PatchTokens) = (golden.Tokens, golden.PatchTokens!);
    }

    public static string Checkpoint { get; } = System.IO.Path.Combine(GoldenCase.Root, "models", "random2-kinds");

    public string Path => _directory["bundle"];

    public int[] Tokens { get; }
    public int[] PatchTokens { get; }

    public LoadedModel Open(params string[] sites) => LoadedModel.Open(Path, sites, new RunContext(threads: 1));

    /// <summary>The same dictionary from its files, by SAELens's formulas.</summary>
    internal static ReferenceDictionary Reference(string site) => new(System.IO.Path.Combine(Checkpoint, "dictionaries", site));

    public void Dispose() => _directory.Dispose();
}
