using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>By what the product of a query with a key is multiplied to be a score, read off the graph: 1/√d_head in most models,
/// another number in Gemma, none in GPT-Neo. Soft cap and mask lie outside of it.</summary>
internal static class ScoreScale
{
    /// <param name="pattern">What attention's softmax yields, or a name of it.</param>
    /// <param name="queries">As they meet the keys.</param>
    /// <returns>Null where something else than numbers, masks and changes of shape lies between them and the softmax.</returns>
    public static double? Of(Value pattern, Value queries, Value keys)
    {
        var v = pattern;
        while (v.Producer is { Type: "Identity" or "Cast" } same) v = same.In[0]!;
        return v.Producer is { Type: "Softmax" } softmax ? Above(softmax.In[0]!, queries, keys) : null;
    }

    // from the softmax down to the product
    private static double? Above(Value v, Value queries, Value keys)
    {
        if (SoftCap.Below(v) is var below && below != v) return Above(below, queries, keys);
        switch (v.Producer)
        {
            case { Type: "MatMul" } product:
                return (Side(product.In[0]!, queries) * Side(product.In[1]!, keys))
                    ?? (Side(product.In[0]!, keys) * Side(product.In[1]!, queries));
            case { Type: "Where" } mask:
                return Above(mask.In[1]!, queries, keys) ?? Above(mask.In[2]!, queries, keys);
            case { Type: "Add" or "Sub" } mask:
                return Above(mask.In[0]!, queries, keys) ?? Above(mask.In[1]!, queries, keys);
            case { Type: "Mul" or "Div" } op when Scaled(op) is var (x, by):
                return by * Above(x, queries, keys);
            default:
                return Handed(v) is var from && from != v ? Above(from, queries, keys) : null;
        }
    }

    // from a side of the product down to the queries or keys
    private static double? Side(Value v, Value end)
    {
        if (v == end) return 1;
        if (v.Producer is { Type: "Mul" or "Div" } op && Scaled(op) is var (x, by)) return by * Side(x, end);
        return Handed(v) is var from && from != v ? Side(from, end) : null;
    }

    private static (Value X, double By)? Scaled(Op op)
    {
        if (Constants.Scalar(op.In[1]!) is { } c) return (op.In[0]!, op.Type == "Mul" ? c : 1 / c);
        return op.Type == "Mul" && Constants.Scalar(op.In[0]!) is { } first ? (op.In[1]!, first) : null;
    }

    private static Value Handed(Value v) =>
        v.Producer is { Type: "Identity" or "Cast" or "Reshape" or "Transpose" or "Squeeze" or "Unsqueeze" or "Expand" } op ? op.In[0]! : v;
}
