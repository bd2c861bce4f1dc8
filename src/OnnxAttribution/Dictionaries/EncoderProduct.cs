using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dictionaries;

/// <summary>Pre-activations <c>s ∘ (x W_enc) + b</c> of any dictionary, [rows, n], of rows that are normalised already.
/// Owns its sessions; who makes one disposes it.</summary>
/// <remarks>Weights are inputs, read where they lie, so that one session does for all dictionaries.</remarks>
internal sealed class EncoderProduct(RunContext context) : IDisposable
{
    public const string Output = "pre";

    private readonly Lazy<GraphRunner> _plain = new(() => new GraphRunner(Graph(scales: false), context));
    private readonly Lazy<GraphRunner> _scaled = new(() => new GraphRunner(Graph(scales: true), context));

    public RunResult Run(SparseDictionary dictionary, float[] x, int rows)
    {
        int d = dictionary.Width, n = dictionary.FeatureCount;
        using var feed = new Feed().Add("x", x, rows, d).Add("W_enc", dictionary.EncoderWeights, d, n).Add("b", dictionary.EncoderBias, n);
        if (dictionary.EncoderScale is { } scale) feed.Add("scale", scale, n);
        return (dictionary.EncoderScale is null ? _plain : _scaled).Value.Run(feed.Values, [Output]);
    }

    /// <summary>f W_dec + b_dec of dense activations.</summary>
    /// <param name="f">[rows, n].</param>
    /// <param name="decoder">[n, d].</param>
    /// <param name="to">[rows, d].</param>
    public void Decode(float[] f, Memory<float> decoder, Memory<float> bias, float[] to)
    {
        int d = bias.Length, n = decoder.Length / d, rows = to.Length / d;
        using var feed = new Feed().Add("x", f, rows, n).Add("W_enc", decoder, n, d).Add("b", bias, d);
        using var result = _plain.Value.Run(feed.Values, [Output]);
        result.Floats(Output).CopyTo(to);
    }

    public void Dispose()
    {
        if (_plain.IsValueCreated) _plain.Value.Dispose();
        if (_scaled.IsValueCreated) _scaled.Value.Dispose();
    }

    private static OnnxGraph Graph(bool scales)
    {
        var g = new GraphBuilder("check/");
        Dim rows = Dim.Named("rows"), d = Dim.Named("d"), n = Dim.Named("n");
        var (x, w, b, s) = (g.Input("x", DataType.Float, rows, d), g.Input("W_enc", DataType.Float, d, n), g.Input("b", DataType.Float, n),
            g.Input("scale", DataType.Float, n));
        return scales ? new OnnxGraph([x, w, b, s], [g.Identity(g.Add(g.Mul(g.Emit("Gemm", [x, w]), s), b), Output)])   // [rows, n]
            : new OnnxGraph([x, w, b], [g.Identity(g.Emit("Gemm", [x, w, b]), Output)]);
    }
}
