using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>The operators behind moved values once more, each in the form that <see cref="MovedForms"/> gives it, and the ways from one
/// form to the next: whole values are put together from rows, pairs are taken out of whole ones.</summary>
internal sealed class MovedRun
{
    private readonly GraphBuilder g;
    private readonly MovedForms _forms;
    private readonly MoveInputs _inputs;
    private readonly Rows _atRows;
    private readonly Rows _atPairs;
    private readonly Value _range;
    private readonly Value _length;
    private readonly List<Value> _leaks = [];
    private readonly Dictionary<Value, Value> _rows = [];
    private readonly Dictionary<Value, Value> _whole = [];
    private readonly Dictionary<(Value, int Axis), Value> _pairs = [];
    private Value? _pairSource;
    private Value? _flat;

    public MovedRun(GraphBuilder builder, MovedForms forms, MoveInputs inputs)
    {
        (g, _forms, _inputs) = (builder, forms, inputs);
        (_atRows, _atPairs) = (new Rows(g, inputs.Positions), new Rows(g, inputs.PairPositions));
        _length = g.Squeeze(g.Shape(inputs.Whole, 1, 2), 0);
        _range = g.Range(g.Int(0), _length, g.Int(1));
        foreach (var (v, (held, rows)) in inputs.Moved) _rows[v] = g.Gather(held, rows, 1);                     // [1, N, d]
    }

    /// <summary>Computes an operator's outputs, once those before it are.</summary>
    public void Step(Op op)
    {
        var rowAxis = _forms.RowAxis(op.Out[0]!);
        if (rowAxis >= 0)
        {
            Keep(op, Copy(op, rowAxis, "rows/", Rows, _atRows), (v, made) => _rows[v] = made);
        }
        else if (_forms.PairAxis(op) is >= 0 and var axis)
        {
            Keep(op, Copy(op, axis, "pairs/", v => Pairs(v, PairInput(op, v, axis)), _atPairs), (v, made) => _pairs[(v, axis)] = made);
        }
        else
        {
            StepWhole(op);
        }
    }

    /// <summary>A value in rows.</summary>
    public Value Rows(Value v) => _rows[v];

    /// <summary>float32: how many entries differ from the unmoved row's before their row's first position, of all that was read in
    /// pairs; null: nothing was.</summary>
    public Value? Leaks => _leaks.Count == 0 ? null : _leaks.Aggregate(g.Add);

    /// <summary>A value at the wanted pairs, [1, …M at <paramref name="axis"/>…].</summary>
    public Value Pairs(Value v, int axis)
    {
        if (_pairs.TryGetValue((v, axis), out var made)) return made;
        return _pairs[(v, axis)] = _forms.RowAxis(v) == axis ? PairsOfRows(v, axis) : PairsOfWhole(v, axis);
    }

    /// <summary>A value with a row of the batch for each move; one that does not move has one row.</summary>
    public Value Whole(Value v)
    {
        if (!_forms.Sizes(v)) return v;
        if (_whole.TryGetValue(v, out var made)) return made;
        if (_forms.RowAxis(v) is >= 1 and var axis && v.Shape![0].IsOne) return _whole[v] = WholeOfRows(v, axis);
        StepWhole(v.Producer ?? throw new GraphException($"'{v.Name}' has no place for rows of a batch"));
        return _whole[v];
    }

    private static int PairInput(Op op, Value v, int axis)
    {
        var i = 0;
        while (op.In[i] != v) i++;
        return PositionFlow.InputAxis(op, i, axis);
    }

    // the operator on chosen positions; what stands still is seen at the same ones
    private Value?[] Copy(Op op, int axis, string prefix, Func<Value, Value> moved, Rows at)
    {
        var inputs = op.In
            .Select((v, i) => v is null ? null : _forms.Moves(v) ? moved(v) : at.At(v, PositionFlow.InputAxis(op, i, axis)))
            .ToArray();
        if (op.Type == "Reshape")
        {
            // its own target may say the number of positions
            inputs[1] = g.Ints([.. op.Out[0]!.Shape!.Select((d, i) => i == axis ? -1 : d.Size!.Value)]);
        }
        return OpCopies.Of(op, inputs, prefix);
    }

    private void StepWhole(Op op)
    {
        var inputs = op.In.Select(v => v is null ? null : Whole(v)).ToArray();
        if (op.Type == "Concat")
        {
            // the one operator that does not broadcast
            for (var i = 0; i < inputs.Length; i++)
            {
                if (!_forms.Sizes(op.In[i]!) && op.In[i]!.Rank > 1) inputs[i] = Repeated(inputs[i]!);
            }
        }
        Keep(op, OpCopies.Of(op, inputs, "whole/"), (v, made) => _whole[v] = made);
    }

    private Value Repeated(Value still) =>
        g.Expand(still, g.Concat(0, g.Shape(_inputs.First), g.Shape(still, 1, still.Rank)));

    private static void Keep(Op op, Value?[] made, Action<Value, Value> keep)
    {
        for (var i = 0; i < op.Out.Count; i++)
        {
            if (op.Out[i] is { } v) keep(v, made[i]!);
        }
    }

    // [1, …N at axis…]  →  [W, …T at axis…]: each position's row
    private Value WholeOfRows(Value v, int axis)
    {
        var taken = g.Gather(_rows[v], _inputs.Whole, axis);                                                    // [1, …W, T at axis…]
        if (axis == 1) return g.Squeeze(taken, 0);
        int[] others = [.. Enumerable.Range(0, taken.Rank).Where(i => i != axis)];
        return g.Squeeze(g.Transpose(taken, [axis, .. others]), 1);
    }

    // [1, …N at axis…]  →  [1, …M at axis…]
    private Value PairsOfRows(Value v, int axis)
    {
        _pairSource ??= g.Gather(g.Reshape(_inputs.Whole, -1), Flat(), 0);
        return g.Gather(_rows[v], _pairSource, axis);
    }

    // [M]: the pairs' places in [W, T]
    private Value Flat() => _flat ??= g.Add(g.Mul(_inputs.PairRows, _length), _inputs.PairPositions);

    // [W, …T at axis…]  →  [1, …M at axis…]
    private Value PairsOfWhole(Value v, int axis)
    {
        var whole = Whole(v);
        if (axis == 0) return g.Gather(whole, Flat(), 0);   // batch and positions are one axis already
        Watch(whole, axis);
        int[] others = [.. Enumerable.Range(1, v.Rank - 1).Where(i => i != axis)];
        var front = axis == 1 ? whole : g.Transpose(whole, [0, axis, .. others]);
        var sizes = others.Select(i => v.Shape![i].Size ?? throw new GraphException($"the size of '{v.Name}' is not known"));
        var taken = g.Unsqueeze(g.Gather(g.Reshape(front, [-1, .. sizes]), Flat(), 0), 0);                      // [1, M, …]
        if (axis == 1) return taken;
        var perm = new int[v.Rank];
        perm[axis] = 1;
        for (var k = 0; k < others.Length; k++) perm[others[k]] = k + 2;
        return g.Transpose(taken, perm);
    }

    // counts what differs from row 0 before its row's first position
    private void Watch(Value whole, int axis)
    {
        var before = g.Greater(g.Unsqueeze(_inputs.First, 1), g.Unsqueeze(_range, 0));                          // [W, T]
        int[] others = [.. Enumerable.Range(1, whole.Rank - 1).Where(i => i != axis)];
        var mask = g.Unsqueeze(before, [.. others.Select(i => (long)i)]);
        var differs = g.Emit("Not", [g.Equal(whole, g.Gather(whole, g.Ints(0), 0))]);
        var leaks = g.Cast(g.Emit("And", [mask, differs]), DataType.Float);
        _leaks.Add(g.ReduceSum(leaks, false, [.. Enumerable.Range(0, whole.Rank).Select(i => (long)i)]));
    }
}
