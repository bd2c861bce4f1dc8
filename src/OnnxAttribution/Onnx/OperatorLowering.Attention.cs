using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

internal static partial class OperatorLowering
{
    /// <summary>Attention of operator sets 23 and 24: y = softmax(mask(cap(s · q kᵀ))) v for each head, as products and a softmax;
    /// keys and values come second and third, for whoever reads them.</summary>
    // q is [B, H, T, dh] or [B, T, H · dh], y like it; heads of queries in a row share keys and values where these
    // have fewer heads; cap(x) = c tanh(x / c) comes before the mask, as the operator's later text has it: the other
    // way about, what is masked would get a part of the attention
    private static Value[] Attention(GraphBuilder g, Op op, Value?[] inputs)
    {
        RequirePlain(op, inputs);
        var flat = inputs[0]!.Rank == 3;
        var (q, k, v) = (Heads(g, op, inputs[0]!, "q_num_heads"), Heads(g, op, inputs[1]!, "kv_num_heads"),
            Heads(g, op, inputs[2]!, "kv_num_heads"));
        long heads = GraphBuilder.SizeOf(q, 1), shared = GraphBuilder.SizeOf(k, 1), width = GraphBuilder.SizeOf(q, 3);
        if (shared == 0 || heads % shared != 0 || GraphBuilder.SizeOf(v, 1) != shared)
        {
            throw new GraphException(
                $"{op} has {heads} heads of queries for {shared} of keys and {v.Shape![1]} of values; export the model again");
        }
        if (!q.Shape![2].Equals(k.Shape![2]))
        {
            throw new GraphException($"{op} reads keys at {k.Shape[2]} positions for queries at {q.Shape[2]}: another sequence or a cache; "
                + "export the model without one (use_cache=False)");
        }
        var scale = op.Float("scale", (float)(1 / Math.Sqrt(width)));
        var scores = g.Scores(g.Mul(q, g.Scalar(scale)), g.Transpose(k, 0, 1, 3, 2));   // [B, H, T, T]
        if (op.Float("softcap", 0) is > 0 and var cap) scores = g.Mul(g.Tanh(g.Div(scores, g.Scalar(cap))), g.Scalar(cap));
        var read = g.HeadOutputs(g.Softmax(Masked(g, op, scores, inputs.ElementAtOrDefault(3)), -1), v);   // [B, H, T, dh]
        return [flat ? g.Reshape(g.Transpose(read, 0, 2, 1, 3), 0, 0, heads * GraphBuilder.SizeOf(v, 3)) : read, k, v];
    }

    private static void RequirePlain(Op op, Value?[] inputs)
    {
        string[] cached = ["past_key", "past_value", "nonpad_kv_seqlen"];
        for (var i = 0; i < cached.Length; i++)
        {
            if (inputs.ElementAtOrDefault(4 + i) is { } past && !IsEmpty(past, 2))
            {
                throw new GraphException(
                    $"{op} reads a cache of earlier tokens ({cached[i]}: '{past.Name}'); export the model without one (use_cache=False)");
            }
        }
        if (op.Out.Count > 3 && op.Out[3] is { } scores)
        {
            throw new GraphException($"{op} yields its scores too ('{scores.Name}', qk_matmul_output_mode "
                + $"{op.Int("qk_matmul_output_mode", 0)}), which is not read; export the model without output_attentions");
        }
        if (op.Int("softmax_precision", 1) is not ((long)DataType.Float or (long)DataType.Double) and var precision)
        {
            throw new GraphException($"{op} has its softmax in {(DataType)precision}; export the model in float32");
        }
    }

    // a cache of no tokens, as a prompt without a past has it
    private static bool IsEmpty(Value past, int axis) => past.Shape is { } shape && shape.Length > axis && shape[axis].Size == 0;

    // [B, H, T, dh], from heads side by side too
    private static Value Heads(GraphBuilder g, Op op, Value x, string attribute)
    {
        if (x.Rank == 4) return x;
        if (x.Rank != 3) throw new GraphException($"{op} reads '{x.Name}' of {x.Rank} axes; it takes 3 or 4");
        return g.Transpose(Apart(g, op, x, attribute), 0, 2, 1, 3);
    }

    // [B, T, H · dh] to [B, T, H, dh]
    private static Value Apart(GraphBuilder g, Op op, Value x, string attribute)
    {
        var heads = op.Int(attribute, 0);
        var width = GraphBuilder.SizeOf(x, 2);
        if (heads <= 0 || width % heads != 0)
        {
            throw new GraphException(
                $"{op} has {heads} for {attribute}, of which the width {width} of '{x.Name}' is no multiple; export the model again");
        }
        return g.Reshape(x, 0, 0, heads, width / heads);
    }

    private static Value Masked(GraphBuilder g, Op op, Value scores, Value? mask)
    {
        if (mask is { IsFloat: true })
        {
            scores = g.Add(scores, mask);
            mask = null;
        }
        if (op.Int("is_causal", 0) != 0)
        {
            var past = Past(g, scores);
            mask = mask is null ? past : g.Emit("And", [mask, past]);
        }
        return mask is null ? scores : g.Where(mask, scores, g.Scalar(float.MinValue));
    }

    // bool [T, T]: which keys lie at or before a query, and no more than so many positions before it
    private static Value Past(GraphBuilder g, Value scores, long window = -1)
    {
        var positions = Positions(g, scores);
        var (keys, queries) = (g.Unsqueeze(positions, 0), g.Unsqueeze(positions, 1));
        var past = g.Emit("LessOrEqual", [keys, queries]);
        return window < 0 ? past : g.Emit("And", [past, g.Emit("GreaterOrEqual", [keys, g.Sub(queries, g.Int(window))])]);
    }

    // 0, 1, …, T − 1: read off the queries or scores themselves, so that a model cut before them needs no tokens for it
    private static Value Positions(GraphBuilder g, Value scores) => g.Range(g.Int(0), g.Squeeze(g.Shape(scores, 2, 3), 0), g.Int(1));

    /// <summary>RotaryEmbedding of operator set 23: pairs (a, b) of a head's first entries become (a cos − b sin, a sin + b cos);
    /// halves of these entries are paired, or neighbours.</summary>
    // x is [B, H, T, dh] or [B, T, H · dh]; cos and sin are [B, T, w/2], or tables that position_ids [B, T] look up
    private static Value Rotary(GraphBuilder g, Op op, Value?[] inputs)
    {
        var flat = inputs[0]!.Rank == 3;
        var x = flat ? Apart(g, op, inputs[0]!, "num_heads") : inputs[0]!;
        var width = GraphBuilder.SizeOf(x, 3);
        var turned = op.Int("rotary_embedding_dim", 0) is > 0 and var n ? n : width;
        if (turned % 2 != 0 || turned > width)
        {
            throw new GraphException($"{op} turns {turned} of {width} entries of a head; export the model again");
        }
        Value Angles(Value cache) =>
            g.Unsqueeze(inputs.ElementAtOrDefault(3) is { } positions ? g.Gather(cache, positions, 0) : cache, flat ? 2 : 1);
        var z = Rotated(g, x, (Angles(inputs[1]!), Angles(inputs[2]!)), turned, op.Int("interleaved", 0) != 0);
        return flat ? g.Reshape(z, 0, 0, GraphBuilder.SizeOf(inputs[0]!, 2)) : z;
    }

    // x has four axes, of which the last is a head's; cos and sin have half as many entries as are turned
    private static Value Rotated(GraphBuilder g, Value x, (Value, Value) angles, long turned, bool interleaved)
    {
        var (cos, sin) = angles;
        var width = GraphBuilder.SizeOf(x, 3);
        long[] parts = [.. interleaved ? [turned] : (long[])[turned / 2, turned / 2], .. turned < width ? [width - turned] : (long[])[]];
        var cut = parts.Length == 1 ? [x] : g.Emit("Split", [x, g.Ints(parts)], parts.Length, ("axis", -1L));
        var (a, b) = interleaved ? Neighbours(g, cut[0], turned) : (cut[0], cut[1]);
        Value[] made = [g.Sub(g.Mul(a, cos), g.Mul(b, sin)), g.Add(g.Mul(a, sin), g.Mul(b, cos))];
        if (interleaved) made = [g.Reshape(g.Concat(-1, [.. made.Select(m => g.Unsqueeze(m, -1))]), 0, 0, 0, turned)];
        return g.Concat(-1, [.. made, .. cut.Skip(interleaved ? 1 : 2)]);
    }

    private static (Value A, Value B) Neighbours(GraphBuilder g, Value x, long width)
    {
        var pairs = g.Emit("Split", [g.Reshape(x, 0, 0, 0, width / 2, 2), g.Ints(1, 1)], 2, ("axis", -1L));
        return (g.Squeeze(pairs[0], -1), g.Squeeze(pairs[1], -1));
    }
}
