using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

// operators of ONNX Runtime's own domain, of which the shapes have to be known
internal static partial class OperatorLowering
{
    private static Value[] Contrib(GraphBuilder g, Op op, Value?[] inputs) => op.Type switch
    {
        "Attention" => PackedAttention(g, op, inputs),
        "FusedMatMul" => [FusedMatMul(g, op, inputs)],
        "GroupQueryAttention" => GroupQueryAttention(g, op, inputs),
        "MultiHeadAttention" => MultiHeadAttention(g, op, inputs),
        "RotaryEmbedding" => [ContribRotary(g, op, inputs)],
        _ => throw new GraphException($"{op} is of domain {op.Domain} and not read; {ContribDomain.WithoutOptimizer}"),
    };

    // z = alpha · x y, each transposed in its last two axes where it says so
    private static Value FusedMatMul(GraphBuilder g, Op op, Value?[] inputs)
    {
        if (op.Int("transBatchA", 0) != 0 || op.Int("transBatchB", 0) != 0)
        {
            throw new GraphException($"{op} moves its batch axis, which is not read; {ContribDomain.WithoutOptimizer}");
        }
        Value Turned(string attribute, Value x) => op.Int(attribute, 0) == 0
            ? x
            : g.Transpose(x, [.. Enumerable.Range(0, x.Rank - 2), x.Rank - 1, x.Rank - 2]);
        var z = g.MatMul(Turned("transA", inputs[0]!), Turned("transB", inputs[1]!));
        return op.Float("alpha", 1) is var alpha and not 1f ? g.Mul(z, g.Scalar(alpha)) : z;
    }

    /// <summary>RotaryEmbedding of com.microsoft: as the standard's, with positions before the tables,
    /// or one number [1] from which they count.</summary>
    private static Value ContribRotary(GraphBuilder g, Op op, Value?[] inputs)
    {
        if (op.Int("is_packed_batching", 0) != 0)
        {
            throw new GraphException($"{op} reads prompts packed in a row (is_packed_batching); {ContribDomain.WithoutOptimizer}");
        }
        var (x, positions, cos, sin) = (inputs[0]!, inputs[1]!, inputs[2]!, inputs[3]!);
        var turned = 2 * GraphBuilder.SizeOf(cos, 1);
        if (op.Int("rotary_embedding_dim", 0) is > 0 and var said && said != turned)
        {
            throw new GraphException($"{op} turns {said} entries by tables for {turned}; export the model again");
        }
        var flat = x.Rank == 3;
        var heads = op.Int("num_heads", 0) is > 0 and var n ? n : flat ? GraphBuilder.SizeOf(x, 2) / turned : 0;
        var apart = flat ? g.Transpose(g.Reshape(x, 0, 0, heads, GraphBuilder.SizeOf(x, 2) / heads), 0, 2, 1, 3) : x;
        var at = positions.Rank == 2 ? positions : g.Add(positions, Positions(g, apart));
        var z = Rotated(g, apart, Angles(g, (cos, sin), at), turned, op.Int("interleaved", 0) != 0);
        return flat ? SideBySide(g, z) : z;
    }

    // rows of both tables, [T, w/2] or [B, 1, T, w/2]
    private static (Value Cos, Value Sin) Angles(GraphBuilder g, (Value Cos, Value Sin) tables, Value positions)
    {
        Value At(Value table) => positions.Rank == 2 ? g.Unsqueeze(g.Gather(table, positions, 0), 1) : g.Gather(table, positions, 0);
        return (At(tables.Cos), At(tables.Sin));
    }

    // [B, T, H · dh] to [B, H, T, dh]
    private static Value ByHead(GraphBuilder g, Op op, Value x, long heads)
    {
        var width = GraphBuilder.SizeOf(x, 2);
        if (heads <= 0 || width % heads != 0)
        {
            throw new GraphException($"{op} has {heads} heads, of which the width {width} of '{x.Name}' is no multiple; "
                + "export the model again");
        }
        return g.Transpose(g.Reshape(x, 0, 0, heads, width / heads), 0, 2, 1, 3);
    }

    // [B, H, T, dh] to [B, T, H · dh]
    private static Value SideBySide(GraphBuilder g, Value x) =>
        g.Reshape(g.Transpose(x, 0, 2, 1, 3), 0, 0, GraphBuilder.SizeOf(x, 1) * GraphBuilder.SizeOf(x, 3));

    // which keys count, [B], [B, T] or [B, T, T] of integers, as what is added to scores; null where all do
    private static Value? Filter(GraphBuilder g, Op op, Value? mask, Value scores)
    {
        if (mask is null || IsOnes(mask)) return null;
        var counts = mask.Rank switch
        {
            1 when mask.Shape![0].Equals(scores.Shape![0]) => g.Unsqueeze(g.Emit("Less", [
                g.Unsqueeze(Positions(g, scores), 0), g.Unsqueeze(g.Cast(mask, DataType.Int64), 1)]), 1, 2),
            2 => g.Unsqueeze(g.Greater(g.Cast(mask, DataType.Float), g.Scalar(0)), 1, 2),
            3 => g.Unsqueeze(g.Greater(g.Cast(mask, DataType.Float), g.Scalar(0)), 1),
            _ => throw new GraphException($"{op} reads the mask '{mask.Name}' of shape [{string.Join(", ", mask.Shape ?? [])}], a form "
                + $"that is not read; {ContribDomain.WithoutOptimizer}"),
        };
        return g.Where(counts, g.Scalar(0), g.Scalar(op.Float("mask_filter_value", -10000)));
    }

    // what adoption feeds in place of an attention mask, however it was cast
    private static bool IsOnes(Value mask)
    {
        while (mask.Producer is { Type: "Cast" or "Identity" } op) mask = op.In[0]!;
        return mask.Producer is { Type: "Expand" } expand && Constants.Scalar(expand.In[0]!) == 1;
    }
}
