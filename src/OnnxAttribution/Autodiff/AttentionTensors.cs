using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>How a path passes the last attention on its way.</summary>
public enum AttentionWay
{
    /// <summary>It passes none.</summary>
    Around,

    /// <summary>Through a value, with the pattern held.</summary>
    Value,

    /// <summary>Through a query, which moves the pattern.</summary>
    Query,

    /// <summary>Through a key, which moves the pattern.</summary>
    Key,
}

/// <summary>What one attention reads and what its heads yield, as values of the model's graph.</summary>
/// <param name="Layer">The block that it is in, from 0.</param>
/// <param name="Queries">[1, position, heads, d_head], as they meet the keys where that has a name.</param>
/// <param name="Keys">[1, position, heads or fewer, d_head]: consecutive heads share a key, as in every model that shares them.</param>
/// <param name="Values">Likewise.</param>
/// <param name="Outputs">[1, position, heads, d_head], or [1, position, heads · d_head].</param>
internal sealed record AttentionTensors(int Layer, Value Queries, Value Keys, Value Values, Value Outputs)
{
    /// <summary>Query heads: what a head means everywhere.</summary>
    public int Heads => (int)GraphBuilder.SizeOf(Queries, 2);

    /// <summary>How many heads share a key and a value.</summary>
    public int Sharing => Heads / (int)GraphBuilder.SizeOf(Keys, 2);

    public IReadOnlyList<Value> Inputs => [Queries, Keys, Values];
}
