namespace OnnxAttribution.Onnx;

// operators of ONNX Runtime's own domain that are taken apart by shapes
internal static partial class ShapeInference
{
    private static Result[] Contrib(Op op, int outputs)
    {
        var type = op.In[0]!.Type;
        var results = op.Type switch
        {
            "Attention" => ContribAttention(op),
            "FusedMatMul" => [new(type, MatMul(Turned(op, "transA", 0), Turned(op, "transB", 1)))],
            "GroupQueryAttention" => GroupQueryAttention(op),
            "MultiHeadAttention" => MultiHeadAttention(op),
            "RotaryEmbedding" => [new(type, op.In[0]!.Shape)],
            _ => (Result[])[],
        };
        return results.Length >= outputs
            ? results
            : [.. results, .. Enumerable.Repeat(new Result(Proto.TensorProto.Types.DataType.Undefined, null), outputs - results.Length)];
    }

    private static Dim[]? Turned(Op op, string attribute, int input) =>
        op.In[input]!.Shape is { Length: >= 2 } s && op.Int(attribute, 0) != 0 ? [.. s[..^2], s[^1], s[^2]] : op.In[input]!.Shape;

    // of [B, T, k]: [B, T, Dv], and keys and values of all heads in one tensor
    private static Result[] ContribAttention(Op op)
    {
        var type = op.In[0]!.Type;
        if (op.In[0]!.Shape is not { Length: 3 } x || op.In[1]!.Shape is not [_, var all]) return [new(type, null)];
        var values = op.Ints("qkv_hidden_sizes") is [_, _, var own] ? own : all.Size / 3;
        var heads = op.Int("num_heads", 0);
        return
        [
            new(type, [x[0], x[1], Sized(values)]),
            new(type, [Dim.Of(2), x[0], Dim.Of(heads), x[1], Sized(heads > 0 ? values / heads : null)]),
        ];
    }

    // heads side by side or in front of positions
    private static Result[] MultiHeadAttention(Op op)
    {
        var type = op.In[0]!.Type;
        var heads = op.Int("num_heads", 0);
        if (op.In[0]!.Shape is not { Length: 3 } q || heads <= 0) return [new(type, null)];
        var (keys, values) = (op.In.ElementAtOrDefault(1)?.Shape, op.In.ElementAtOrDefault(2)?.Shape);
        var width = values switch
        {
            { Length: 3 } side => side[2].Size / heads,
            { Length: 4 } apart => apart[3].Size,
            _ => null,
        };
        var positions = keys is { Length: 4 } ? keys[2] : keys?[1] ?? q[1];
        var handedOn = new Result(type, [q[0], Dim.Of(heads), positions, Sized(width)]);
        return [new(type, [q[0], q[1], Sized(width * heads)]), handedOn, handedOn];
    }

    // queries side by side, or queries, keys and values of all heads
    private static Result[] GroupQueryAttention(Op op)
    {
        var type = op.In[0]!.Type;
        long heads = op.Int("num_heads", 0), shared = op.Int("kv_num_heads", 0);
        if (op.In[0]!.Shape is not { Length: 3 } q || heads <= 0 || shared <= 0) return [new(type, null)];
        var width = q[2].Size / (op.In.ElementAtOrDefault(1) is null ? heads + 2 * shared : heads);
        var handedOn = new Result(type, [q[0], Dim.Of(shared), q[1], Sized(width)]);
        return [new(type, [q[0], q[1], Sized(width * heads)]), handedOn, handedOn];
    }

    private static Dim Sized(long? size) => size is { } n ? Dim.Of(n) : Dim.Unknown;
}
