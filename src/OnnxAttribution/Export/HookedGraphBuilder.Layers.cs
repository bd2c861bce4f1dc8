using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

internal sealed partial class HookedGraphBuilder
{
    /// <summary>Name of an unembedding that is no longer the embedding, and of the bias that folding makes.</summary>
    public const string ProcessedUnembedding = "unembed.weight", ProcessedUnembeddingBias = "unembed.bias";

    private readonly Dictionary<RotaryConfig, Value> _frequencies = new(ReferenceEqualityComparer.Instance);

    /// <summary>A normalisation over the last axis, with <c>hook_scale</c>, whose last axis is 1:
    /// √(var x + ε) of LayerNorm, √(mean x² + ε) of RMSNorm. Folded, it does not scale. Where <c>hook_normalized</c> is to be a site,
    /// gain and bias are operators of their own behind it; what <c>ln2</c> yields is the MLP's input, <c>mlp.hook_in</c>.</summary>
    public Value Normalize(string hook, Value x, Norm norm)
    {
        var site = hook + ".hook_normalized";
        var made = further.Contains(site) ? Scaled(norm, Site(site, Normalized(hook, x, norm, isScaled: false)))
            : Normalized(hook, x, norm, isScaled: !IsFolded(norm));
        return hook.EndsWith(".ln2", StringComparison.Ordinal) ? SiteIfWanted(hook[..^"ln2".Length] + "mlp.hook_in", made) : made;
    }

    // its gain and bias, where folding left them
    private Value Scaled(Norm norm, Value x)
    {
        if (IsFolded(norm)) return x;
        var scaled = G.Mul(x, Gain(norm));
        return norm.IsRms ? scaled : G.Add(scaled, Weight(norm.Bias));
    }

    private bool IsFolded(Norm norm) => folded && !norm.IsKept;

    private Value Gain(Norm norm) => norm.Offset == 0 ? Weight(norm.Weight) : G.Add(Weight(norm.Weight), G.Scalar(norm.Offset));

    private Value Normalized(string hook, Value x, Norm norm, bool isScaled)
    {
        var weight = isScaled
            ? Gain(norm)
            : G.Constant(hook + ".ones", Constants.Of(Enumerable.Repeat(1f, norm.Width).ToArray(), norm.Width));
        if (norm.IsRms)
        {
            Hook(hook + ".hook_scale", G.Sqrt(G.Add(G.ReduceMean(G.Mul(x, x), true, -1), G.Scalar(norm.Epsilon))));
            return G.Emit("RMSNormalization", [x, weight], [hook + ".normalized"], ("axis", -1L), ("epsilon", norm.Epsilon))[0];
        }
        Value?[] inputs = isScaled ? [x, weight, Weight(norm.Bias)] : [x, weight];
        var made = G.Emit("LayerNormalization", inputs, [hook + ".normalized", hook + ".mean", hook + ".inverse"], ("axis", -1L),
            ("epsilon", norm.Epsilon));
        Hook(hook + ".hook_scale", G.Reciprocal(made[2]));
        return made[0];
    }

    /// <summary>A linear layer, [batch, position, in] to [batch, position, out], its weight read as it lies.</summary>
    public Value Apply(Linear linear, Value x)
    {
        var bias = linear.HasBias || processed.Contains(linear.Bias) ? linear.Bias : null;
        if (linear.OutFirst) return G.MatMulTransposed(x, Weight(linear.Weight), bias is null ? null : Weight(bias));
        var product = G.MatMul(x, Weight(linear.Weight));
        return bias is null ? product : G.Add(product, Weight(bias));
    }

    /// <summary>An activation function, entry by entry.</summary>
    public Value Activate(Activation activation, Value x) => activation switch
    {
        Activation.Relu => G.Relu(x),
        Activation.Silu => G.Mul(x, G.Emit("Sigmoid", [x])),
        _ => G.Emit("Gelu", [x], ("approximate", activation == Activation.GeluTanh ? "tanh" : "none")),
    };

    /// <summary>Logits, [batch, position, vocabulary].</summary>
    /// <param name="unembedding">Name of the weight [vocabulary, d]; where processing made another, that is taken.</param>
    /// <param name="bias">Likewise, of the bias [vocabulary]; null: none.</param>
    public Value Unembed(Value x, string unembedding, string? bias)
    {
        var logits =
            G.MatMulTransposed(x, Weight(processed.Contains(ProcessedUnembedding) ? ProcessedUnembedding : unembedding));
        bias = processed.Contains(ProcessedUnembeddingBias) ? ProcessedUnembeddingBias : bias;
        return bias is null ? logits : G.Add(logits, Weight(bias));
    }

    /// <summary>bool [position, position]: whether the query (row) may look at the key (column).</summary>
    /// <param name="window">The last so many keys only, the query's own among them.</param>
    public Value CausalMask(Value x, int? window = null)
    {
        var positions = Positions(x);
        var (keys, queries) = (G.Unsqueeze(positions, 0), G.Unsqueeze(positions, 1));
        var past = G.Emit("LessOrEqual", [keys, queries]);
        return window is { } n ? G.Emit("And", [past, G.Greater(keys, G.Sub(queries, G.Int(n)))]) : past;
    }

    /// <summary>Cosine and sine, [position, 1, width/2], of the angles that rotary positions turn by;
    /// in float32 as Hugging Face computes them.</summary>
    /// <param name="x">Any value with positions on axis 1.</param>
    public (Value Cos, Value Sin, int Width) Turns(Value x, RotaryConfig rotary)
    {
        if (!_frequencies.TryGetValue(rotary, out var frequencies))
        {
            var name = _frequencies.Count == 0 ? "rotary.frequencies" : $"rotary.frequencies.{_frequencies.Count}";
            frequencies = _frequencies[rotary] = G.Constant(name, Constants.Of(rotary.Frequencies, 1, 1, rotary.Frequencies.Length));
        }
        var angles = G.Mul(G.Unsqueeze(G.Cast(Positions(x), DataType.Float), 1, 2), frequencies);
        Value Strong(Value v) => rotary.Strength == 1 ? v : G.Mul(v, G.Scalar(rotary.Strength));
        return (Strong(G.Emit("Cos", [angles])), Strong(G.Emit("Sin", [angles])), rotary.Width);
    }

    /// <summary>Queries or keys [batch, position, heads, d_head] turned:
    /// of the first entries of a head, each of one half with its fellow of the other.</summary>
    public Value Rotate(string hook, Value x, (Value Cos, Value Sin, int Width) turns)
    {
        long half = turns.Width / 2, rest = x.Shape![3].Size!.Value - turns.Width;
        var parts = G.Emit("Split", [x, rest > 0 ? G.Ints(half, half, rest) : G.Ints(half, half)], rest > 0 ? 3 : 2, ("axis", -1L));
        var (a, b) = (parts[0], parts[1]);
        Value[] turned = [G.Sub(G.Mul(a, turns.Cos), G.Mul(b, turns.Sin)), G.Add(G.Mul(b, turns.Cos), G.Mul(a, turns.Sin))];
        return Hook(hook, G.Concat(-1, [.. turned, .. parts.Skip(2)]));
    }

    /// <summary>x where it is small, never beyond the cap: c tanh(x / c); without a cap x itself.</summary>
    public Value Cap(Value x, float? cap) => cap is { } c ? G.Mul(G.Tanh(G.Mul(x, G.Scalar(1 / c))), G.Scalar(c)) : x;

    /// <summary>Softmax attention: q [batch, position, heads, d_head] over k, v [batch, position, heads or fewer,
    /// d_head], to z of all heads side by side, [batch, position, heads · d_head], with pattern and z as hooks.</summary>
    /// <remarks>Heads in a row share keys and values where these are fewer; they are not copied for it.
    /// The hook <c>attn.hook_z</c> has TransformerLens's four axes unless it is a site: a site has one vector per position.</remarks>
    public Value Attend(string block, AttentionLayout layout, (Value Q, Value K, Value V) of, Value mask)
    {
        var (q, k, v) = of;
        long heads = GraphBuilder.SizeOf(q, 2), width = GraphBuilder.SizeOf(q, 3);
        var scale = layout.Scale ?? (1 / MathF.Sqrt(width));
        // [B, H, T, dh], [B, Hkv, dh, T]
        var (scaled, keys) = (G.Transpose(scale == 1 ? q : G.Mul(q, G.Scalar(scale)), 0, 2, 1, 3), G.Transpose(k, 0, 2, 3, 1));
        var scores = Cap(G.Scores(scaled, keys), layout.Cap);                                                        // [B, H, T, T]
        var pattern = Hook($"{block}.attn.hook_pattern", G.Softmax(G.Where(mask, scores, G.Scalar(float.MinValue)), -1));
        var read = G.HeadOutputs(pattern, G.Transpose(v, 0, 2, 1, 3));                                               // [B, H, T, dh]
        var z = G.Transpose(read, 0, 2, 1, 3);                                                                       // [B, T, H, dh]
        var name = $"{block}.attn.hook_z";
        return further.Contains(name) ? Site(name, G.Reshape(z, 0, 0, heads * width)) : G.Reshape(Hook(name, z), 0, 0, heads * width);
    }

    // 0, 1, … of the positions of x, read off x itself, so that a model cut at x needs no tokens for it
    private Value Positions(Value x) => G.Range(G.Int(0), G.Squeeze(G.Shape(x, 1, 2), 0), G.Int(1));
}
