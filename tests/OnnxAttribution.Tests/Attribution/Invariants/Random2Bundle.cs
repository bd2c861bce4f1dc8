using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>random2 with a dictionary at every site, exported once for a class of tests.</summary>
public sealed class Random2Bundle : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Dictionary<string, LoadedModel> _shared = [];

    public Random2Bundle()
    {
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"]);
        using var golden = GoldenCase.Open("random2-all-patch");
        (Tokens, PatchTokens) = (golden.Tokens, golden.PatchTokens!);
    }

    public string Path => _directory["bundle"];

    /// <summary>BOS and three bytes, and as many for the patch run.</summary>
    public int[] Tokens { get; }
    public int[] PatchTokens { get; }

    /// <summary>Longest prompt, a token per position.</summary>
    public static int[] WholeContext { get; } = [256, .. Enumerable.Range(0, 31).Select(i => i * 37 % 256)];

    public LoadedModel Open(params string[] sites) => LoadedModel.Open(Path, sites, new RunContext(threads: 1));

    /// <summary>A model whose calls of the runtime may take so many bytes.</summary>
    public LoadedModel OpenWithin(long memoryBudget, params string[] sites) =>
        LoadedModel.Open(Path, sites, new RunContext(threads: 1, memoryBudget: memoryBudget));

    /// <summary>A model that is opened once for all tests of the class, with the sessions that they made:
    /// theirs to use, not to dispose.</summary>
    /// <param name="sites">With commas between.</param>
    public LoadedModel Shared(string sites) => _shared.TryGetValue(sites, out var model) ? model : _shared[sites] = Open(sites.Split(','));

    public LoadedModel Open(CancellationToken cancel) => LoadedModel.Open(Path, [], new RunContext(threads: 1, cancel: cancel));

    /// <summary>Every node and edge, linear unless the options ask for more.</summary>
    public static CausalGraph All(LoadedModel model, int[] tokens, int[]? patch = null, GraphOptions? options = null) =>
        GraphFinder.Find(model, tokens, patch, (options ?? new GraphOptions()).Linear().KeepingAll());

    /// <summary>A bundle of random2 with other dictionaries.</summary>
    /// <param name="at">By site.</param>
    internal static string With(TemporaryDirectory to, string name, Func<string, DictionaryFiles> at)
    {
        foreach (var folder in Directory.GetDirectories(System.IO.Path.Combine(Random2.Checkpoint, "dictionaries")))
        {
            var site = System.IO.Path.GetFileName(folder);
            at(site).Write(System.IO.Path.Combine(to[name], "from", site));
        }
        BundleWriter.Write(
            new ExportOptions(Random2.Checkpoint, [System.IO.Path.Combine(to[name], "from")], System.IO.Path.Combine(to[name], "bundle")));
        return System.IO.Path.Combine(to[name], "bundle");
    }

    public void Dispose()
    {
        foreach (var model in _shared.Values) model.Dispose();
        _directory.Dispose();
    }
}
