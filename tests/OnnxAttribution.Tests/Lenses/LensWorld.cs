using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Lenses;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Lenses;

/// <summary>A golden case of the lens with its model, all dictionaries of it opened.</summary>
internal sealed class LensWorld : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public LensWorld(string name)
    {
        Golden = GoldenCase.Open(name);
        Model = LoadedModel.Open(BundleOf((string)Golden.Facts["model"]!, _directory), null, new RunContext());
    }

    public GoldenCase Golden { get; }

    public LoadedModel Model { get; }

    public IEnumerable<string> Halves => Golden.Facts["halves"]!.AsArray().Select(s => (string)s!);

    public IEnumerable<string> Dictionaries => Golden.Facts["dictionaries"]!.AsObject().Select(d => d.Key);

    /// <summary>The embedded model's bundle as it lies, or an export of a random model of the goldens with its dictionaries.</summary>
    public static string BundleOf(string model, TemporaryDirectory at)
    {
        if (model == "tiny") return Repository.TinyModel;
        var checkpoint = Path.Combine(GoldenCase.Root, "models", model);
        var dictionaries = Path.Combine(checkpoint, "dictionaries");
        BundleWriter.Write(new ExportOptions(checkpoint, Directory.Exists(dictionaries) ? [dictionaries] : [], at["bundle"]));
        return at["bundle"];
    }

    public Lens Find(MetricKind kind, LensOptions options) =>
        new LensFinder(Model, options).Find(Golden.Tokens, new MetricRequest(kind, null, Golden.Target, Golden.Foil));

    public void Dispose()
    {
        Model.Dispose();
        Golden.Dispose();
        _directory.Dispose();
    }
}
