using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>The pieces that <see cref="SegmentCases"/> are put together from,
/// on tensors [1, position, d], as exporters write them.</summary>
/// <param name="length">What is declared of the position axis.</param>
internal sealed class SegmentSketch(Dim length)
{
    private const int D = SegmentCase.Width, Hidden = 10, Heads = 2, HeadWidth = D / Heads;
    private int _weights;

    public GraphBuilder G { get; } = new("m/");

    public Value Site(string name) => G.Input(name, DataType.Float, Dim.Of(1), length, Dim.Of(D));

    public Value Linear(Value x, int from, int to) => G.Add(G.MatMul(x, Weight(from, to)), Weight(to));

    /// <summary>As GPT-2 is exported: positions flattened into the rows of a Gemm.</summary>
    public Value Flattened(Value x, int from, int to) =>
        G.Reshape(G.Emit("Gemm", [G.Reshape(x, -1, from), Weight(from, to), Weight(to)]), 1, -1, to);

    /// <summary>With its statistics, which nothing reads.</summary>
    public Value LayerNorm(Value x) => G.Emit("LayerNormalization", [x, Weight(D), Weight(D)], 3, ("axis", -1L), ("epsilon", 1e-5f))[0];

    public Value RmsNorm(Value x)
    {
        var root = G.Sqrt(G.Add(G.ReduceMean(G.Pow(x, G.Scalar(2)), true, -1), G.Scalar(1e-5f)));
        return G.Mul(G.Mul(x, G.Reciprocal(root)), Weight(D));
    }

    public Value RmsNormOperator(Value x) => G.Emit("RMSNormalization", [x, Weight(D)], ("axis", -1L), ("epsilon", 1e-5f));

    /// <summary>As Llama: two heads share keys and values, weights [out, in], q and k turned by their position.</summary>
    public Value SharedAttention(Value x)
    {
        var (cos, sin) = (Table(x), Table(x));
        Value Turned(Value v) => G.Add(G.Mul(v, cos), G.Mul(HalfTurned(v), sin));
        var q = Turned(ToHeads(G.MatMulTransposed(x, Weight(D, D), Weight(D))));
        var (k, v) = (Turned(G.Reshape(G.MatMulTransposed(x, Weight(HeadWidth, D)), 0, 0, 1, HeadWidth)),
            G.Reshape(G.MatMulTransposed(x, Weight(HeadWidth, D)), 0, 0, 1, HeadWidth));
        var grouped = G.Reshape(G.Transpose(q, 0, 2, 1, 3), 0, 1, Heads, -1, HeadWidth);                                  // [1, 1, H, T, h]
        var scores = G.Reshape(G.MatMul(grouped, G.Unsqueeze(G.Transpose(k, 0, 2, 3, 1), 2)), 0, Heads, -1, 0);           // [1, H, T, T]
        var pattern = G.Reshape(G.Softmax(scores, -1), 0, 1, Heads, 0, -1);
        var z = G.Reshape(G.MatMul(pattern, G.Unsqueeze(G.Transpose(v, 0, 2, 1, 3), 2)), 0, Heads, -1, HeadWidth);
        return G.MatMulTransposed(G.Reshape(G.Transpose(z, 0, 2, 1, 3), 0, 0, D), Weight(D, D));
    }

    public Value Mlp(Value x) => Linear(G.Emit("Gelu", [Linear(x, D, Hidden)], ("approximate", "tanh")), Hidden, D);

    public Value FlattenedMlp(Value x) => Flattened(G.Emit("Gelu", [Flattened(x, D, Hidden)]), Hidden, D);

    public Value SwiGlu(Value x)
    {
        var u = Linear(x, D, Hidden);
        return Linear(G.Mul(G.Mul(u, G.Emit("Sigmoid", [u])), Linear(x, D, Hidden)), Hidden, D);
    }

    /// <summary>Causal, two heads, q, k and v from one product, heads before positions for the products.</summary>
    public Value Attention(Value x)
    {
        var qkv = G.Emit("Split", [Linear(x, D, 3 * D), G.Ints(D, D, D)], 3, ("axis", -1L));
        return Attend(x, ToHeads(qkv[0]), ToHeads(qkv[1]), ToHeads(qkv[2]));
    }

    /// <summary>The same with q and k turned by their position:
    /// a table of cosines and sines [8, head], cut to the length at hand.</summary>
    public Value RotaryAttention(Value x)
    {
        var (cos, sin) = (Table(x), Table(x));
        Value Turned(Value v) => G.Add(G.Mul(v, cos), G.Mul(HalfTurned(v), sin));
        return Attend(x, Turned(ToHeads(Linear(x, D, D))), Turned(ToHeads(Linear(x, D, D))), ToHeads(Linear(x, D, D)));
    }

    // [1, T, H, h] each
    private Value Attend(Value x, Value q, Value k, Value v)
    {
        var scores = G.MatMul(G.Transpose(q, 0, 2, 1, 3), G.Transpose(k, 0, 2, 3, 1));                                  // [1, H, T, T]
        var positions = G.Range(G.Int(0), G.Squeeze(G.Shape(x, 1, 2), 0), G.Int(1));
        var seen = G.Emit("LessOrEqual", [G.Unsqueeze(positions, 0), G.Unsqueeze(positions, 1)]);
        var pattern = G.Softmax(G.Where(seen, G.Mul(scores, G.Scalar(0.6f)), G.Scalar(-1e9f)), -1);
        var z = G.Transpose(G.MatMul(pattern, G.Transpose(v, 0, 2, 1, 3)), 0, 2, 1, 3);                                   // [1, T, H, h]
        return Linear(G.Reshape(z, 0, 0, D), D, D);
    }

    private Value ToHeads(Value x) => G.Reshape(x, 0, 0, Heads, HeadWidth);

    // [T, 1, h]
    private Value Table(Value x) => G.Unsqueeze(G.Slice(Weight(8, HeadWidth), G.Ints(0), G.Shape(x, 1, 2), G.Ints(0)), 1);

    private Value HalfTurned(Value v)
    {
        var parts = G.Emit("Split", [v, G.Ints(1, HeadWidth - 1)], 2, ("axis", -1L));
        return G.Concat(-1, G.Neg(parts[1]), parts[0]);
    }

    private Value Weight(params int[] shape)
    {
        var random = new Random(_weights);
        var values = Enumerable.Range(0, shape.Aggregate((m, n) => m * n)).Select(_ => 2 * random.NextSingle() - 1).ToArray();
        return G.Constant($"W{_weights++}", Constants.Of(values, [.. shape.Select(n => (long)n)]));
    }
}
