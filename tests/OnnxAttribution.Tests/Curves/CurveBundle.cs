using OnnxAttribution.Bundles;
using OnnxAttribution.Curves;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Curves;

/// <summary>random2 with other weights and two ReLU dictionaries:
/// one where the stream begins, one where it ends, whose first feature's bias is chosen.</summary>
internal sealed class CurveBundle : IDisposable
{
    public const string Up = "blocks.0.hook_resid_pre", Down = "blocks.1.hook_resid_post";

    private readonly TemporaryDirectory _directory = new();

    /// <param name="map">What stands for each weight.</param>
    /// <param name="bias">Of the downstream site's features: 10 keeps them all active.</param>
    public CurveBundle(Func<string, float[], float[]> map, float bias = 10)
    {
        Random2.Mapped(_directory["checkpoint"], map);
        DictionaryFiles.Random(Up, 16, 40, seed: 1).Write(_directory["dictionaries/" + Up]);
        var down = DictionaryFiles.Random(Down, 16, 40, seed: 2);
        down["b_enc"] = [.. Enumerable.Repeat(bias, 40)];
        down.Write(_directory["dictionaries/" + Down]);
        BundleWriter.Write(new ExportOptions(_directory["checkpoint"], [_directory["dictionaries"]], Path));
        Model = LoadedModel.Open(Path, [Up, Down], new RunContext(threads: 1));
    }

    public string Path => _directory["bundle"];
    public LoadedModel Model { get; }
    public static int[] Tokens { get; } = [256, 87, 71, 108, 84];

    /// <summary>The upstream feature that is strongest, away from BOS.</summary>
    public FeatureName Strongest()
    {
        using var clean = ActivationCache.Of(Model, Tokens);
        var encoding = Model.Encoder.Encode(Model.SelectedSites[0].Dictionary!, clean[Up].ToArray(), Tokens.Length);
        return new FeatureName(Up, Enumerable.Range(1, Tokens.Length - 1)
            .SelectMany(p => encoding.Features[p].Zip(encoding.Activations[p]))
            .MaxBy(a => a.Second).First);
    }

    public ResponseCurve Curve(string coefficients) => Curve(Model, coefficients);

    /// <summary>The same where calls of the runtime may take so many bytes.</summary>
    public ResponseCurve CurveWithin(long memoryBudget, string coefficients)
    {
        using var small = LoadedModel.Open(Path, [Up, Down], new RunContext(threads: 1, memoryBudget: memoryBudget));
        return Curve(small, coefficients);
    }

    private ResponseCurve Curve(LoadedModel model, string coefficients) =>
        CurveFinder.Find(model, Tokens, Strongest(), new FeatureName(Down, 0), Coefficients.Parse(coefficients));

    public void Dispose()
    {
        Model.Dispose();
        _directory.Dispose();
    }
}
