using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Dictionaries;

/// <summary>The activations of a few of a dictionary's features as a part of a larger graph. Of TopK, whose features compete, the whole
/// encoder is read from its file; of every other kind the chosen features' columns are constants of the graph.</summary>
/// <param name="g">Of the graph.</param>
/// <param name="dictionary">At a site.</param>
/// <param name="location">The dictionary's directory, from the bundle's.</param>
internal sealed class FeatureGraph(GraphBuilder g, SparseDictionary dictionary, string location)
{
    /// <param name="x">The site's activation, float32 [1, position, d].</param>
    /// <param name="features">Ascending, each once.</param>
    /// <returns>Their activations, [1, position, features]; and what a decoder row is multiplied by to be added to the site,
    /// [1, position, 1] or a scalar.</returns>
    public (Value Activations, Value Scale) Build(Value x, int[] features)
    {
        var (input, scale) = dictionary.Normalization.Build(g, x);
        if (dictionary.SubtractsDecoderBias) input = g.Sub(input, Vector("b_dec", dictionary.DecoderBias.Span));
        return (dictionary.K is { } k ? Largest(input, features, k) : Chosen(input, features), scale);
    }

    private Value Chosen(Value input, int[] features)
    {
        var columns = dictionary.EncoderColumns(features, threads: 1).Of(features).Span;
        var bias = dictionary.EncoderBias;
        var pre = g.Add(g.MatMul(input, g.Transpose(Constant("columns", columns, features.Length, dictionary.Width), 1, 0)),
            Vector("bias", Array.ConvertAll(features, f => bias.Span[f])));
        return dictionary.Threshold is { } threshold
            ? g.Where(g.Greater(pre, Vector("threshold", Array.ConvertAll(features, f => threshold[f]))), pre, g.Scalar(0))
            : g.Relu(pre);
    }

    // [1, T, n] with zeros where a feature is not among the k largest, then the chosen features of it
    private Value Largest(Value input, int[] features, int k)
    {
        var weights = StoredWeight.Of(g, Name("W_enc"), dictionary.EncoderWeightsEntry, $"{location}/{SaeLensDictionary.WeightsFileName}");
        var pre = g.MatMul(input, weights);
        if (dictionary.EncoderScale is { } scale) pre = g.Mul(pre, Vector("scale", scale));
        pre = g.Add(pre, Vector("bias", dictionary.EncoderBias.Span));
        var top = g.Emit("TopK", [pre, g.Ints(k)], 2, ("axis", -1L), ("sorted", 0L));
        var values = dictionary.KeepsSign ? top[0] : g.Relu(top[0]);
        var none = g.Expand(g.Scalar(0), g.Shape(pre));
        var all = g.Emit("ScatterElements", [none, top[1], values], ("axis", 2L));
        var chosen = g.Constant(Name("features"), Constants.Of(Array.ConvertAll(features, f => (long)f), features.Length));
        return g.Gather(all, chosen, 2);
    }

    private Value Vector(string name, ReadOnlySpan<float> values) => Constant(name, values, values.Length);

    private Value Constant(string name, ReadOnlySpan<float> values, params long[] shape) =>
        g.Constant(Name(name), Constants.Of(values, shape));

    private string Name(string part) => $"{dictionary.Name}.{part}";
}
