using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

internal sealed partial class HookedGraphBuilder
{
    /// <summary>A normalisation over the last axis, with <c>hook_scale</c>, [batch, position, 1]: √(var x + ε) of LayerNorm. Folded, it does not scale.</summary>
    public Value Normalize(string hook, Value x, Norm norm)
    {
        var width = x.Shape![^1].Size!.Value;
        var weight = folded ? G.Constant(hook + ".ones", Constants.Of(Enumerable.Repeat(1f, (int)width).ToArray(), width)) : Weight(norm.Weight);
        Value?[] inputs = folded ? [x, weight] : [x, weight, Weight(norm.Bias)];
        var made = G.Emit("LayerNormalization", inputs, [hook + ".normalized", hook + ".mean", hook + ".inverse"], ("axis", -1L), ("epsilon", norm.Epsilon));
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
        Activation.Silu => G.Mul(x, G.Emit("Sigmoid", [x])),
        _ => G.Emit("Gelu", [x], ("approximate", activation == Activation.GeluTanh ? "tanh" : "none")),
    };

    /// <summary>Logits, [batch, position, vocabulary].</summary>
    /// <param name="unembedding">Name of the weight [vocabulary, d]; where processing made another, that is taken.</param>
    public Value Unembed(Value x, string unembedding)
    {
        var logits = G.MatMulTransposed(x, Weight(processed.Contains(WeightProcessing.Unembedding) ? WeightProcessing.Unembedding : unembedding));
        return processed.Contains(WeightProcessing.UnembeddingBias) ? G.Add(logits, Weight(WeightProcessing.UnembeddingBias)) : logits;
    }

    /// <summary>bool [position, position]: whether the query (row) may look at the key (column).</summary>
    public Value CausalMask(Value x)
    {
        var positions = G.Range(G.Int(0), G.Squeeze(G.Shape(x, 1, 2), 0), G.Int(1));
        return G.Emit("LessOrEqual", [G.Unsqueeze(positions, 0), G.Unsqueeze(positions, 1)]);
    }

    /// <summary>Softmax attention of heads: q, k, v [batch, position, heads, d_head] to z of all heads side by side, [batch, position, heads · d_head], with pattern and z as hooks.</summary>
    /// <remarks>The hook <c>attn.hook_z</c> has TransformerLens's four axes unless it is a site: a site has one vector per position.</remarks>
    public Value Attend(string block, Value q, Value k, Value v, Value mask, float scale)
    {
        var scores = G.MatMul(G.Transpose(G.Mul(q, G.Scalar(scale)), 0, 2, 1, 3), G.Transpose(k, 0, 2, 3, 1));       // [B, H, T, T]
        var pattern = Hook($"{block}.attn.hook_pattern", G.Softmax(G.Where(mask, scores, G.Scalar(float.MinValue)), -1));
        var z = G.Transpose(G.MatMul(pattern, G.Transpose(v, 0, 2, 1, 3)), 0, 2, 1, 3);                              // [B, T, H, dh]
        var (name, width) = ($"{block}.attn.hook_z", q.Shape![2].Size * q.Shape[3].Size ?? throw new GraphException($"the heads of {block} have no fixed width"));
        return further.Contains(name) ? Site(name, G.Reshape(z, 0, 0, width)) : G.Reshape(Hook(name, z), 0, 0, width);
    }
}
