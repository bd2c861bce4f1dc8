using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Chosen positions of a segment: N rows, row n standing at position <paramref name="positions"/>[n].</summary>
/// <param name="positions">int64 [N].</param>
internal sealed class Rows(GraphBuilder g, Value positions)
{
    // what is computed again at chosen positions from what it reads there; others are gathered
    private static readonly FrozenSet<string> s_again = FrozenSet.Create("Identity", "Cast", "Neg", "Sqrt", "Reciprocal", "Exp", "Log",
        "Erf", "Tanh", "Sigmoid", "Relu", "Gelu", "Abs", "Sin", "Cos", "Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "MatMul",
        "Gemm", "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "ReduceMean", "ReduceSum", "ReduceMax", "Transpose",
        "Reshape", "Unsqueeze", "Squeeze", "Split", "Concat", "Slice");

    private readonly Dictionary<(Value, int), Value> _gathered = [];
    private readonly Dictionary<(Value, int), Value> _once = [];

    public Value Positions { get; } = positions;

    /// <summary>float32 [N, T]: 1 at each row's position; spreads rows over all positions.</summary>
    public Value? Spread { get; init; }

    /// <summary>int64 [R] and [N]: the rows' positions, each once, and which of them each row's is; no index where each row has a position
    /// of its own. With these nothing is computed at other positions only to be gathered: of attention's scores R rows, not T.</summary>
    public (Value Positions, Value? Index)? Distinct { get; init; }

    /// <summary>Values that are computed at all positions in any case, or from outside: they are gathered.</summary>
    public IReadOnlySet<Value> Whole { get; init; } = FrozenSet<Value>.Empty;

    /// <summary>A primal value at the rows' positions: axis <paramref name="axis"/> of length T becomes one of length N.</summary>
    public Value At(Value v, int axis)
    {
        if (axis < 0 || v.Shape![axis].IsOne) return v;
        if (_gathered.TryGetValue((v, axis), out var rows)) return rows;
        rows = Distinct is not { } d ? g.Gather(v, Positions, axis)
            : d.Index is null ? Once(v, axis) : g.Gather(Once(v, axis), d.Index, axis);
        return _gathered[(v, axis)] = rows;
    }

    // at each of the rows' positions once
    private Value Once(Value v, int axis)
    {
        if (axis < 0 || v.Shape![axis].IsOne) return v;
        if (_once.TryGetValue((v, axis), out var made)) return made;
        if (v.Producer is not { } op || !IsMadeAgain(op, axis)) return _once[(v, axis)] = g.Gather(v, Distinct!.Value.Positions, axis);
        var inputs = op.In.Select((x, i) => x is null ? null : Once(x, PositionFlow.InputAxis(op, i, axis))).ToArray();
        var outputs = op.Type == "Reshape" ? ReshapedAgain(op, inputs[0]!) : g.Again(op, inputs);
        for (var i = 0; i < outputs.Length; i++)
        {
            if (op.Out[i] is { } z) _once[(z, axis)] = outputs[i];
        }
        return _once[(v, axis)];
    }

    private bool IsMadeAgain(Op op, int axis) => s_again.Contains(op.Type) && !op.Out.Any(z => z is not null && Whole.Contains(z))
        && op.Out.All(z => z is null || (z.Shape is { } s && axis < s.Length))
        && Enumerable.Range(0, op.In.Count).Select(i => PositionFlow.InputAxis(op, i, axis)).ToList() is var axes
        && !axes.Contains(PositionFlow.Mixes) && axes.Any(a => a >= 0)
        && (op.Type != "Reshape" || KnowsItsAxes(op));

    // a target that is written down may take one length for another where both are T
    private Value[] ReshapedAgain(Op reshape, Value x)
    {
        var shape = reshape.Out[0]!.Shape!;
        var open = Enumerable.Range(0, shape.Length).Where(i => shape[i].Size is null).ToList();
        if (open.Count == 1) return g.Again(reshape, [x, g.Ints([.. shape.Select(d => d.Size ?? -1)])]);
        var sizes = shape.Select((d, i) => d.Size is { } n ? g.Ints(n)
            : g.Shape(x, PositionFlow.InputAxis(reshape, 0, i), PositionFlow.InputAxis(reshape, 0, i) + 1));
        return g.Again(reshape, [x, g.Concat(0, [.. sizes])]);
    }

    private static bool KnowsItsAxes(Op reshape) => reshape.Out[0]!.Shape is { } shape
        && Enumerable.Range(0, shape.Length).All(i => shape[i].Size is not null || PositionFlow.InputAxis(reshape, 0, i) >= 0);
}
