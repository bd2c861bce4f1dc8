namespace OnnxAttribution.Onnx;

internal static partial class OperatorLowering
{
    /// <summary>Attention of com.microsoft: queries, keys and values of all heads by one matrix, [k, D + D + Dv].</summary>
    private static Value[] PackedAttention(GraphBuilder g, Op op, Value?[] inputs)
    {
        RequireNone(op, inputs, 4, 3, "past");
        if (op.Int("do_rotary", 0) != 0)
        {
            throw new GraphException($"{op} turns its queries and keys itself (do_rotary), which is not read of this operator; "
                + ContribDomain.WithoutOptimizer);
        }
        var heads = op.Int("num_heads", 0);
        var third = GraphBuilder.SizeOf(inputs[1]!, 1) / 3;
        var product = g.MatMul(inputs[0]!, inputs[1]!);
        if (inputs.ElementAtOrDefault(2) is { } bias) product = g.Add(product, bias);
        var parts = g.Emit("Split", [product, g.Ints(op.Ints("qkv_hidden_sizes") ?? [third, third, third])], 3, ("axis", -1L));
        var (q, k, v) = (ByHead(g, op, parts[0], heads), ByHead(g, op, parts[1], heads), ByHead(g, op, parts[2], heads));
        var read = Attended(g, op, (q, k, v), scores => Seen(g, op, scores, inputs.ElementAtOrDefault(3), inputs.ElementAtOrDefault(5)));
        return [read, g.Concat(0, g.Unsqueeze(k, 0), g.Unsqueeze(v, 0))];
    }

    /// <summary>MultiHeadAttention: queries, keys and values apart [B, T, D],
    /// or keys and values by head [B, H, T, dh].</summary>
    private static Value[] MultiHeadAttention(GraphBuilder g, Op op, Value?[] inputs)
    {
        RequireNone(op, inputs, 6, 2, "past_key");
        RequireNone(op, inputs, 7, 2, "past_value");
        RequireNone(op, inputs, 9, 0, "cache_indirection");
        RequireNoScores(op);
        var heads = op.Int("num_heads", 0);
        var (q, k, v) = Projected(g, op, inputs, heads);
        var read = Attended(g, op, (q, k, v), scores => Seen(g, op, scores, inputs.ElementAtOrDefault(4), inputs.ElementAtOrDefault(5)));
        return [read, k, v];
    }

    private static (Value Q, Value K, Value V) Projected(GraphBuilder g, Op op, Value?[] inputs, long heads)
    {
        var (query, key, value, bias) = (inputs[0]!, inputs.ElementAtOrDefault(1), inputs.ElementAtOrDefault(2),
            inputs.ElementAtOrDefault(3));
        if (query.Rank != 3 || key is null || value is null || (bias is not null && (key.Rank != 3 || value.Rank != 3)))
        {
            throw new GraphException($"{op} packs its queries, keys and values in a way that ONNX Runtime computes on GPUs only, "
                + $"which is not read; {ContribDomain.WithoutOptimizer}");
        }
        if (bias is not null)
        {
            long width = GraphBuilder.SizeOf(query, 2), own = GraphBuilder.SizeOf(value, 2);
            var parts = g.Emit("Split", [bias, g.Ints(width, width, own)], 3, ("axis", 0L));
            (query, key, value) = (g.Add(query, parts[0]), g.Add(key, parts[1]), g.Add(value, parts[2]));
        }
        return (ByHead(g, op, query, heads), key.Rank == 4 ? key : ByHead(g, op, key, heads),
            value.Rank == 4 ? value : ByHead(g, op, value, heads));
    }

    /// <summary>GroupQueryAttention: causal, with fewer heads of keys and values, which it may turn itself, and a window.</summary>
    // seqlens_k and total_sequence_length (inputs 5 and 6) say where a prompt's padding begins and how long it is with its past:
    // a prompt here has neither
    private static Value[] GroupQueryAttention(GraphBuilder g, Op op, Value?[] inputs)
    {
        RequirePlainGroups(op, inputs);
        long heads = op.Int("num_heads", 0), shared = op.Int("kv_num_heads", 0);
        var (query, key, value) = (inputs[0]!, inputs.ElementAtOrDefault(1), inputs.ElementAtOrDefault(2));
        if (key is null || value is null)
        {
            var width = GraphBuilder.SizeOf(query, 2) / (heads + 2 * shared);
            var parts = g.Emit("Split", [query, g.Ints(heads * width, shared * width, shared * width)], 3, ("axis", -1L));
            (query, key, value) = (parts[0], parts[1], parts[2]);
        }
        var (q, k, v) = (ByHead(g, op, query, heads), ByHead(g, op, key, shared), ByHead(g, op, value, shared));
        if (op.Int("do_rotary", 0) != 0)
        {
            if (inputs.ElementAtOrDefault(7) is not { } cos || inputs.ElementAtOrDefault(8) is not { } sin)
            {
                throw new GraphException($"{op} turns its queries and keys (do_rotary) without tables of angles; export the model again");
            }
            // of given positions the runtime's kernel reads the first and counts on from it
            var positions = Positions(g, q);
            if (inputs.ElementAtOrDefault(9) is { } given)
            {
                positions = g.Add(g.Slice(g.Reshape(given, -1), g.Ints(0), g.Ints(1), g.Ints(0)), positions);
            }
            var (angles, turned) = (Angles(g, (cos, sin), positions), 2 * GraphBuilder.SizeOf(cos, 1));
            var interleaved = op.Int("rotary_interleaved", 0) != 0;
            (q, k) = (Rotated(g, q, angles, turned, interleaved), Rotated(g, k, angles, turned, interleaved));
        }
        var read = Attended(g, op, (q, k, v), scores =>
        {
            if (inputs.ElementAtOrDefault(10) is { } bias) scores = g.Add(scores, bias);
            // the window counts the query's own position
            var window = op.Int("local_window_size", -1);
            return g.Where(Past(g, scores, window > 0 ? window - 1 : -1), scores, g.Scalar(float.MinValue));
        });
        return [read, k, v];
    }

    private static void RequirePlainGroups(Op op, Value?[] inputs)
    {
        RequireNone(op, inputs, 3, 2, "past_key");
        RequireNone(op, inputs, 4, 2, "past_value");
        RequireNoScores(op);
        var form = inputs.ElementAtOrDefault(11) is not null ? "head_sink"
            : inputs.Skip(12).Any(v => v is not null) ? "a quantised cache"
            : op.Int("smooth_softmax", 0) > 0 ? "smooth_softmax"
            : null;
        if (form is not null)
        {
            throw new GraphException($"{op} has {form}, a form of attention that is not read; {ContribDomain.WithoutOptimizer}");
        }
    }

    /// <summary>y = softmax(masked(cap(s · q kᵀ))) v for each head, the heads side by side: [B, T, H · dh].</summary>
    private static Value Attended(GraphBuilder g, Op op, (Value Q, Value K, Value V) heads, Func<Value, Value> masked)
    {
        var (q, k, v) = heads;
        if (GraphBuilder.SizeOf(q, 1) % GraphBuilder.SizeOf(k, 1) != 0 || GraphBuilder.SizeOf(q, 3) != GraphBuilder.SizeOf(k, 3))
        {
            throw new GraphException($"{op} has queries [{string.Join(", ", q.Shape!)}] for keys [{string.Join(", ", k.Shape!)}], "
                + "which do not fit each other; export the model again");
        }
        if (!q.Shape![2].Equals(k.Shape![2]))
        {
            throw new GraphException($"{op} reads keys at {k.Shape[2]} positions for queries at {q.Shape[2]}: cross attention or a cache, "
                + $"which is not read; bring a decoder by itself, or {ContribDomain.WithoutCache}");
        }
        var scale = op.Float("scale", 0) is var said and not 0f ? said : (float)(1 / Math.Sqrt(GraphBuilder.SizeOf(q, 3)));
        var scores = g.Scores(g.Mul(q, g.Scalar(scale)), g.Transpose(k, 0, 1, 3, 2));   // [B, H, T, T]
        if (op.Float("softcap", 0) is > 0 and var cap) scores = g.Mul(g.Tanh(g.Div(scores, g.Scalar(cap))), g.Scalar(cap));
        return SideBySide(g, g.HeadOutputs(g.Softmax(masked(scores), -1), v));
    }

    // a bias and a mask are added, what comes later is not seen
    private static Value Seen(GraphBuilder g, Op op, Value scores, Value? mask, Value? bias)
    {
        if (Filter(g, op, mask, scores) is { } filter) scores = g.Add(scores, filter);
        if (bias is not null) scores = g.Add(scores, bias);
        return op.Int("unidirectional", 0) == 0 ? scores : g.Where(Past(g, scores), scores, g.Scalar(float.MinValue));
    }

    private static void RequireNone(Op op, Value?[] inputs, int input, int axis, string name)
    {
        if (inputs.ElementAtOrDefault(input) is { } past && !IsEmpty(past, axis))
        {
            throw new GraphException($"{op} reads a cache of earlier tokens ({name}: '{past.Name}'); {ContribDomain.WithoutCache}");
        }
    }

    private static void RequireNoScores(Op op)
    {
        if (op.Out.ElementAtOrDefault(3) is { } scores)
        {
            throw new GraphException(
                $"{op} yields its scores too ('{scores.Name}'), which is not read; export the model without output_attentions");
        }
    }
}
