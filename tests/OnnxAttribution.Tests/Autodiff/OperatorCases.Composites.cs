using OnnxAttribution.Tests.Reference;
using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Autodiff;

// pieces of a transformer as exporters write them
internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Composites() =>
    [
        Case("Fan-out: x read by three branches", [X(2, 3)], g => g
            .Node("a = Exp(x)").Node("b = Tanh(x)").Node("c = Mul(a, b)").Node("d = Mul(c, x)").Node("z = Add(d, a)")),
        Case("Fan-out: x in a residual stream", [X(2, 3, 4)], g => g.Weights("V", 4, 4).Weights("W", 4, 4)
            .Node("a = MatMul(x, V)").Node("t = Tanh(a)").Node("r = Add(x, t)")
            .Node("m = MatMul(r, W)").Node("s = Sigmoid(m)").Node("z = Add(r, s)")),
        Case("MLP: Gelu between two Gemm", [X(3, 4)], g => g.Weights("V", 4, 6).Weights("a", 6).Weights("W", 6, 4).Weights("b", 4)
            .Node("u = Gemm(x, V, a)").Node("h = Gelu(u)", ("approximate", "tanh")).Node("z = Gemm(h, W, b)")),
        Case("MLP: gated", [X(2, 3, 4)], g => g.Weights("U", 4, 5).Weights("V", 4, 5).Weights("W", 5, 4)
            .Node("u = MatMul(x, U)").Node("s = Sigmoid(u)").Node("silu = Mul(u, s)").Node("v = MatMul(x, V)").Node("h = Mul(silu, v)")
            .Node("z = MatMul(h, W)")),
        Case("MLP: gated by GELU, the linear factor first", [X(2, 3, 4), Y(2, 3, 4)], g => g.Weights("W", 4, 4)
            .Node("u = Gelu(x)").Node("v = MatMul(y, W)").Node("z = Mul(v, u)")),
        Case("SiLU: the sigmoid first", [X(2, 3)], g => g.Node("i = Identity(x)").Node("s = Sigmoid(i)").Node("z = Mul(s, x)")),
        Case("Sigmoid of another value, and a GELU times a constant", [X(2, 3), Y(2, 3)], g => g.Weights("c", 3)
            .Node("s = Sigmoid(x)").Node("p = Mul(s, y)").Node("u = Gelu(x)").Node("q = Mul(u, c)").Node("z = Add(p, q)")),
        Case("Rotary: positions times frequencies, half of each head turned", [X(2, 3, 2, 4)], g => g
            .Scalar("zero", 0L).Scalar("length", 3L).Scalar("one", 1L).Ints("axes", 1, 2).Weights("f", 1, 1, 1).Ints("parts", 1, 1, 2)
            .Node("p = Range(zero, length, one)")
            .Node("r = Cast(p)", ("to", DataType.Float))
            .Node("t = Unsqueeze(r, axes)")
            .Node("angle = Mul(t, f)")
            .Node("c = Cos(angle)").Node("s = Sin(angle)").Node("a, b, rest = Split(x, parts)", ("axis", -1))
            .Node("ac = Mul(a, c)").Node("bs = Mul(b, s)").Node("bc = Mul(b, c)").Node("as = Mul(a, s)").Node("u = Sub(ac, bs)")
            .Node("v = Add(bc, as)")
            .Node("z = Concat(u, v, rest)", ("axis", -1))),
        Case("Attention: two heads, causal, heads split and merged", [X(2, 3, 4)], Attention),
        Case("Dictionary: TopK features, scattered back", [X(Domain.OddEighths, 2, 5)], g => g.Ints("k", 2).Weights("W", 5, 3)
            .Node("v, i = TopK(x, k)").Node("r = Relu(v)").Node("zero = Mul(x, none)").Node("f = ScatterElements(zero, i, r)", ("axis", 1))
            .Node("z = MatMul(f, W)").Scalar("none", 0f)),
        Case("Logit difference: of LogSoftmax at the last position", [X(2, 3, 4)],
            g => g.Ints("start", -1).Ints("end", long.MaxValue).Ints("axes", 1)
                .Node("last = Slice(x, start, end, axes)").Node("p = LogSoftmax(last)").Scalar("answer", 2L).Scalar("other", 0L)
                .Node("a = Gather(p, answer)", ("axis", 2)).Node("o = Gather(p, other)", ("axis", 2)).Node("z = Sub(a, o)")),
    ];

    private static GraphSketch Attention(GraphSketch g) => g
        .Weights("W", 4, 12).Ints("heads", 0, 0, 2, 2).Ints("merged", 0, 0, -1).Scalar("scale", 0.7071f).Scalar("low", -1e9f)
        .Node("qkv = MatMul(x, W)").Node("q, k, v = Split(qkv)", ("axis", 2), ("num_outputs", 3)) // each [B, T, 4]
        .Node("qs = Reshape(q, heads)").Node("qh = Transpose(qs)", ("perm", new[] { 0, 2, 1, 3 }))  // [B, H, T, d]
        .Node("ks = Reshape(k, heads)").Node("kt = Transpose(ks)", ("perm", new[] { 0, 2, 3, 1 }))  // [B, H, d, T]
        .Node("vs = Reshape(v, heads)").Node("vh = Transpose(vs)", ("perm", new[] { 0, 2, 1, 3 }))  // [B, H, T, d]
        .Node("s = MatMul(qh, kt)").Node("scores = Mul(s, scale)")
        .Node("shape = Shape(scores)", ("start", 2))
        .Node("ones = ConstantOfShape(shape)", ("value", One()))
        .Node("lower = Trilu(ones)", ("upper", 0))
        .Node("seen = Cast(lower)", ("to", DataType.Bool)).Node("masked = Where(seen, scores, low)").Node("pattern = Softmax(masked)")
        .Node("h = MatMul(pattern, vh)").Node("ht = Transpose(h)", ("perm", new[] { 0, 2, 1, 3 })).Node("z = Reshape(ht, merged)");

    private static OnnxAttribution.Onnx.Proto.TensorProto One() =>
        new() { DataType = (int)DataType.Float, Dims = { 1 }, FloatData = { 1 } };
}
