namespace OnnxAttribution.Onnx;

internal sealed partial class GraphBuilder
{
    /// <summary>Attention scores [B, H, T, T] of queries [B, H, T, dh] with keys turned, [B, Hkv, dh, T].</summary>
    /// <remarks>Heads in a row share keys where these are fewer; they are not copied for it.</remarks>
    public Value Scores(Value queries, Value keys)
    {
        long heads = SizeOf(queries, 1), shared = SizeOf(keys, 1), width = SizeOf(queries, 3);
        if (shared == heads) return MatMul(queries, keys);
        return Reshape(MatMul(Reshape(queries, 0, shared, heads / shared, -1, width), Unsqueeze(keys, 2)), 0, heads, -1, 0);
    }

    /// <summary>What the heads read, [B, H, T, dh], of values [B, Hkv, T, dh] by a pattern [B, H, T, T].</summary>
    public Value HeadOutputs(Value pattern, Value values)
    {
        long heads = SizeOf(pattern, 1), shared = SizeOf(values, 1);
        if (shared == heads) return MatMul(pattern, values);
        return Reshape(MatMul(Reshape(pattern, 0, shared, heads / shared, 0, -1), Unsqueeze(values, 2)), 0, heads, -1, SizeOf(values, 3));
    }

    /// <summary>The size of an axis that every graph here has to know.</summary>
    public static long SizeOf(Value v, int axis) =>
        v.Rank > axis && v.Shape![axis].Size is { } n ? n : throw new GraphException($"axis {axis} of '{v.Name}' has no fixed size");
}
