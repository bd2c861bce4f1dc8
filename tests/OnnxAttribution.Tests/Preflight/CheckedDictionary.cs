using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Preflight;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Preflight;

/// <summary>Bundles of models/tiny with one dictionary, made of one of its own or of activations, and what a check says of it.</summary>
internal sealed class CheckedDictionary : IDisposable
{
    /// <summary>Two sequences' worth: what a memory dictionary remembers.</summary>
    public const int Tokens = 254;

    private readonly TemporaryDirectory _directory = new();

    /// <summary>The dictionary that models/tiny has at a site.</summary>
    public static DictionaryFiles Trained(string site) => DictionaryFiles.Read(Path.Combine(Repository.TinyModel, "dictionaries", site));

    /// <summary>TopK with k = 1 and a feature for each position of the text's beginning,
    /// which rebuilds them exactly and other vectors, of another length or direction, badly.</summary>
    /// <param name="bias">The nearer to 1, the worse are other vectors rebuilt.</param>
    /// <param name="map">What the dictionary's input is at the site, [rows, d] in and out; what it rebuilds likewise.</param>
    public DictionaryFiles Memory(string site, Func<float[], float[]> map, bool hasBos = true, float bias = 0.9f)
    {
        using var model = LoadedModel.Open(Bundle("bare", null), null, new RunContext(threads: 2));
        var layout = RowLayout.Of(CheckText.Read(model, null, 127, Tokens).Sequences, hasBos ? model.Tokenizer.RequireBeginOfText() : null);
        var named = model.Bundle.SiteNamed(site);
        const int d = 128;
        var rows = map(SiteActivations.Compute(model, [named], layout)[named]);
        var n = rows.Length / d;
        // pre = x · r / ‖r‖² − bias, which is small at x = r, and the decoder makes up for that
        float[] encoder = new float[d * n], decoder = new float[n * d];
        for (var i = 0; i < n; i++)
        {
            var row = rows.AsSpan(i * d, d);
            var square = System.Numerics.Tensors.TensorPrimitives.SumOfSquares<float>(row);
            for (var j = 0; j < d; j++) (encoder[(j * n) + i], decoder[(i * d) + j]) = (row[j] / square, row[j] / (1 - bias));
        }
        var files = DictionaryFiles.Random(site, d, n, seed: 0);
        (files["W_enc"], files["W_dec"], files["b_dec"]) = (encoder, decoder, new float[d]);
        files["b_enc"] = [.. Enumerable.Repeat(-bias, n)];
        files.Config["architecture"] = "topk";
        files.Config["k"] = 1;
        files.Config["metadata"]!["prepend_bos"] = hasBos;
        return files;
    }

    /// <summary>The findings of a check of models/tiny with one dictionary.</summary>
    public CheckReport Check(DictionaryFiles dictionary, Func<ExportOptions, ExportOptions>? export = null, int tokens = Tokens,
        int lossTokens = 0)
    {
        var name = $"bundle{Directory.GetDirectories(_directory.Path).Length}";
        using var model = LoadedModel.Open(Bundle(name, dictionary, export), null, new RunContext(threads: 2));
        return BundleCheck.Run(model, null, new CheckOptions { Tokens = tokens, LossTokens = lossTokens, SampleTokens = 256 });
    }

    public string Bundle(string name, DictionaryFiles? dictionary, Func<ExportOptions, ExportOptions>? export = null)
    {
        var folder = Directory.CreateDirectory(_directory[$"{name}-dictionaries"]).FullName;
        dictionary?.Write(Path.Combine(folder, "one"));
        var options = new ExportOptions(Repository.TinyModel, [folder], _directory[name], Force: true);
        BundleWriter.Write(export?.Invoke(options) ?? options);
        return _directory[name];
    }

    public void Dispose() => _directory.Dispose();
}
