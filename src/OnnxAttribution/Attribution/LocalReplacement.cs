using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// The local replacement model of one prompt: which features stand for its MLPs, and what they miss.
/// 1. The model itself gives what each transcoder reads, and what the MLP that it stands for writes.
/// 2. The transcoders' encoders give the active features.
/// 3. An MLP's output less its skip, its decoder's bias and what all features write to it is its error, which is held.
/// </summary>
/// <remarks>Ameisen et al. 2025, "Circuit Tracing": the local replacement model.</remarks>
internal sealed class LocalReplacement
{
    private readonly Dictionary<SelectedSite, Part> _parts = [];
    private readonly int _positions;

    private LocalReplacement(int positions) => _positions = positions;

    /// <param name="Read">[T, d_in], what the transcoder reads.</param>
    /// <param name="Written">[T, d_out], what features, errors and the decoder's bias write.</param>
    /// <param name="Columns">Encoder columns of the features that are active at some position.</param>
    internal sealed record Part(float[] Read, float[] Written, SparseEncoding Encoding, FeatureVectors Columns);

    /// <summary>What stands for a replaced MLP; null of any other site.</summary>
    public Part? Of(SelectedSite site) => _parts.GetValueOrDefault(site);

    /// <summary>Sizes of the symbolic axes of a graph that is run for a prompt.</summary>
    /// <param name="replacement">The prompt's; null: the model is taken as it is.</param>
    public static Dictionary<string, long> Sizes(int positions, LocalReplacement? replacement)
    {
        var sizes = new Dictionary<string, long> { ["position"] = positions, ["batch"] = 1 };
        foreach (var (site, part) in replacement?._parts ?? []) sizes[site.Mlp!.Features] = Math.Max(1, FeaturesOf(part.Encoding).Length);
        return sizes;
    }

    private static int[] FeaturesOf(SparseEncoding encoding) => [.. encoding.Features.SelectMany(f => f).Distinct().Order()];

    /// <summary>The replacement of a prompt; null where the model is taken as it is.</summary>
    /// <exception cref="AttributionException">An activation is NaN or infinite; the message names the site.</exception>
    public static LocalReplacement? Of(LoadedModel model, int[] tokens)
    {
        if (!model.IsReplaced) return null;
        var made = new LocalReplacement(tokens.Length);
        using var run = GradientGraphs.Of(model).Forward.Run(Array.ConvertAll(tokens, t => (long)t), 1);
        foreach (var site in model.SelectedSites)
        {
            if (site.Mlp is { } mlp) made._parts[site] = made.PartOf(model, site, mlp, run);
        }
        foreach (var (site, part) in made._parts)
        {
            foreach (var (source, other) in made._parts)
            {
                var layer = source.Mlp!.LayerOf(site.Site);
                if (layer >= 0) part.Encoding.Subtract(other.Encoding, layer);
            }
        }
        return made;
    }

    /// <summary>Gives a graph of the replaced model what it needs of the prompt.</summary>
    public void AddTo(Feed feed)
    {
        foreach (var (site, part) in _parts)
        {
            var (mlp, dictionary) = (site.Mlp!, site.Dictionary!);
            // a product over no features has no runtime that is sure to do it
            var features = FeaturesOf(part.Encoding);
            var n = Math.Max(features.Length, 1);
            var (bias, active) = (new float[n], new float[_positions * n]);
            for (var i = 0; i < features.Length; i++) bias[i] = dictionary.EncoderBias.Span[features[i]];
            for (var t = 0; t < _positions; t++)
            {
                foreach (var f in part.Encoding.Features[t]) active[(t * n) + Array.BinarySearch(features, f)] = 1;
            }
            int width = dictionary.Width, written = dictionary.OutputWidth, layers = dictionary.OutputLayers;
            feed.Add(mlp.Encoder, features.Length > 0 ? part.Columns.Of(features) : new float[width], n, width)
                .Add(mlp.Bias, bias, n)
                .Add(mlp.Active, active, _positions, n)
                .Add(mlp.Decoder, features.Length > 0 ? part.Encoding.Decoder.Of(features) : new float[layers * written], n, layers,
                    written)
                .Add(mlp.Rest, Rest(part, dictionary), _positions, written);
        }
    }

    private static float[] Rest(Part part, SparseDictionary dictionary)
    {
        var rest = (float[])part.Encoding.Errors.Clone();
        var bias = dictionary.DecoderBias.Span;
        for (var at = 0; at < rest.Length; at += bias.Length)
        {
            var row = rest.AsSpan(at, bias.Length);
            TensorPrimitives.Add(row, bias, row);
        }
        return rest;
    }

    private Part PartOf(LoadedModel model, SelectedSite site, ReplacedMlp mlp, RunResult run)
    {
        var dictionary = site.Dictionary!;
        var read = FiniteValues.Require(ForwardPass.Rows(run, mlp.Input).ToArray(), $"the activations of {mlp.Input.Name}");
        var written = FiniteValues.Require(ForwardPass.Rows(run, mlp.Output).ToArray(), $"the activations of {mlp.Output.Name}");
        if (dictionary.SkipWeights is not null) TensorPrimitives.Subtract(written, dictionary.Skip(read, model.Context.Threads), written);
        var active = model.Encoder.Active(dictionary, read);
        var encoding = SparseEncoding.OfTranscoder(dictionary, written, active, Math.Min(site.ZeroPositions, _positions),
            model.Context.Threads);
        var columns = dictionary.EncoderColumns(FeaturesOf(encoding), model.Context.Threads);
        dictionary.ReleaseEncoder();
        return new Part(read, written, encoding, columns);
    }
}
