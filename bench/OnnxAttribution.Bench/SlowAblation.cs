using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>
/// Naive ablation as it is usually done, for comparison and as the tests' oracle: one feature at a time, a whole forward pass of the
/// bundle's model.onnx each, from the tokens to all logits, one prompt in the batch. Nothing but the clean run is kept; a site is changed
/// and held by the graph's own intervention inputs. Shares with the fast way the encoder and nothing of its passes.
/// </summary>
/// <remarks>Owns a session of the whole model; who makes one disposes it.</remarks>
internal sealed class SlowAblation : IDisposable
{
    private readonly LoadedModel _model;
    private readonly int[] _tokens;
    private readonly GraphRunner _runner;
    private readonly Dictionary<string, float[]> _clean;
    private readonly Dictionary<Site, float[]> _cleanFeatures = [];

    public SlowAblation(LoadedModel model, int[] tokens)
    {
        (_model, _tokens) = (model, tokens);
        _runner = new GraphRunner(model.Bundle.ReadGraph(), model.Context, model.Bundle.Directory);
        var clean = Pass(null, [], []);
        _clean = model.Bundle.Sites.ToDictionary(s => s.Name, s => clean[s.Name]);
        CleanLogits = clean[Logits];
    }

    private const string Logits = "logits";

    /// <summary>float32 [T, vocabulary].</summary>
    public float[] CleanLogits { get; }

    /// <summary>float32 [T, vocabulary] with a feature's activation multiplied at some positions and all that follows anew.</summary>
    public float[] LogitsAfter(Site site, int feature, IReadOnlyList<int> positions, float coefficient) =>
        Pass(site, Change(site, feature, positions, coefficient), [])[Logits];

    /// <summary>float32 [T, features]: what that changes of a downstream site's, with every other selected site held.</summary>
    public float[] FeaturesAfter(Site site, int feature, IReadOnlyList<int> positions, float coefficient, Site downstream)
    {
        var others = _model.Selected.Where(s => s != site && s != downstream);
        var now = Pass(site, Change(site, feature, positions, coefficient), others)[downstream.Name];
        var change = Features(downstream, now);
        TensorPrimitives.Subtract(change, Features(downstream, _clean[downstream.Name]), change);
        return change;
    }

    /// <summary>float32 [T, vocabulary] with every other selected site held at its clean value.</summary>
    public float[] DirectLogitsAfter(Site site, int feature, IReadOnlyList<int> positions, float coefficient) =>
        Pass(site, Change(site, feature, positions, coefficient), _model.Selected.Where(s => s != site))[Logits];

    /// <summary>One pass as a plain loop over features would make it: the next site's features and the logits, nothing held.</summary>
    public void Once(Site site, int feature, IReadOnlyList<int> positions, float coefficient, Site? downstream)
    {
        var all = Pass(site, Change(site, feature, positions, coefficient), []);
        if (downstream is not null) Features(downstream, all[downstream.Name]);
    }

    public void Dispose() => _runner.Dispose();

    private float[] Features(Site site, float[] x)
    {
        var dictionary = _model.DictionaryOf(site)!;
        var dense = new float[_tokens.Length * dictionary.FeatureCount];
        var active = _model.Encoder.Active(dictionary, x);
        for (var t = 0; t < active.Rows; t++)
        {
            var (features, activations) = (active.Features(t).ToArray(), active.Activations(t).ToArray());
            for (var i = 0; i < features.Length; i++) dense[(t * dictionary.FeatureCount) + features[i]] = activations[i];
        }
        return dense;
    }

    private float[] Change(Site site, int feature, IReadOnlyList<int> positions, float coefficient)
    {
        var dictionary = _model.DictionaryOf(site)!;
        var d = dictionary.Width;
        if (!_cleanFeatures.TryGetValue(site, out var features)) _cleanFeatures[site] = features = Features(site, _clean[site.Name]);
        var row = dictionary.DecoderRows([feature], 1)[feature];
        var change = new float[_tokens.Length * d];
        foreach (var p in positions)
        {
            var scale = dictionary.Normalization.Statistics(_clean[site.Name].AsSpan(p * d, d)).Scale;
            var move = (coefficient - 1) * features[(p * dictionary.FeatureCount) + feature] * scale;
            TensorPrimitives.Multiply(row, move, change.AsSpan(p * d, d));
        }
        return change;
    }

    // x' = x · scale + shift: the change is a shift, and a site is held by scale 0 and its clean value as the shift
    private Dictionary<string, float[]> Pass(Site? changed, float[] change, IEnumerable<Site> held)
    {
        long length = _tokens.Length;
        using var feed = new Feed().AddTokens(_tokens);
        if (changed is not null) feed.Add(changed.Name + ".shift", change, 1, length, change.Length / length);
        foreach (var site in held)
        {
            var value = _clean[site.Name];
            var width = value.Length / length;
            feed.Add(site.Name + ".scale", new float[value.Length], 1, length, width).Add(site.Name + ".shift", value, 1, length, width);
        }
        string[] outputs = [.. _model.Bundle.Sites.Select(s => s.Name), Logits];
        using var result = _runner.Run(feed.Values, outputs);
        return outputs.ToDictionary(o => o, result.Copy);
    }
}
