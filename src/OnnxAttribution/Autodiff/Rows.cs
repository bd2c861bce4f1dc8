using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Chosen positions of a segment: N rows, row n standing at position <paramref name="positions"/>[n].</summary>
/// <param name="positions">int64 [N].</param>
internal sealed class Rows(GraphBuilder g, Value positions)
{
    private readonly Dictionary<(Value, int), Value> _gathered = [];

    public Value Positions { get; } = positions;

    /// <summary>float32 [N, T]: 1 at each row's position; spreads rows over all positions.</summary>
    public Value? Spread { get; init; }

    /// <summary>A primal value at the rows' positions: axis <paramref name="axis"/> of length T becomes one of length N.</summary>
    public Value At(Value v, int axis)
    {
        if (axis < 0 || v.Shape![axis].IsOne) return v;
        if (!_gathered.TryGetValue((v, axis), out var rows)) _gathered[(v, axis)] = rows = g.Gather(v, Positions, axis);
        return rows;
    }
}
