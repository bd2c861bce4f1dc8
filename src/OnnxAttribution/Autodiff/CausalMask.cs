using System.Numerics.Tensors;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>A table that an attention's scores are masked by: no activation goes into it, so what it holds can be looked at.</summary>
/// <param name="Table">[…, position, position], query by key; bool, or float32 that is added to scores.</param>
/// <param name="Open">What a bool table holds where the query reads the key; null: the table is added.</param>
internal sealed record CausalMask(Value Table, bool? Open)
{
    /// <summary>A score so low leaves exactly 0 behind a softmax in float32, where another is one that a model may have.</summary>
    public const float Closed = -1e9f;

    private const float StillRead = Closed / 10;

    /// <summary>Whether no query reads a key behind its own position, and each reads one: then no key behind a query has a share in its
    /// pattern, whether it is there or not.</summary>
    /// <param name="table">What the table holds.</param>
    public bool IsCausal(ReadOnlySpan<bool> table, int positions)
    {
        for (var first = 0; first < table.Length; first += positions)
        {
            var row = table.Slice(first, positions);
            var read = (first / positions % positions) + 1;
            if (!row[..read].Contains(Open!.Value) || row[read..].Contains(Open.Value)) return false;
        }
        return true;
    }

    /// <inheritdoc cref="IsCausal(ReadOnlySpan{bool}, int)"/>
    public static bool IsCausal(ReadOnlySpan<float> table, int positions)
    {
        for (var first = 0; first < table.Length; first += positions)
        {
            var row = table.Slice(first, positions);
            var read = (first / positions % positions) + 1;
            // NaN is neither
            if (!(TensorPrimitives.Max(row[..read]) > StillRead)) return false;
            if (read < positions && !(TensorPrimitives.Max(row[read..]) <= Closed)) return false;
        }
        return true;
    }
}
