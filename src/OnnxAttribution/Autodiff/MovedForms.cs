using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Which values move when one value does, and in which form each is computed.</summary>
/// <remarks>
/// Rows: [1, …N…], each at a position of its own, while operators keep positions apart. Whole: [W, …T…], a row of the batch each, behind
/// the first operator that mixes positions. Pairs: [1, …M…], at chosen (row, position) only, where nothing behind mixes positions again.
/// </remarks>
internal sealed class MovedForms
{
    // operators of a moved value that read its shape only
    private static readonly HashSet<string> s_shapes = ["Shape", "Size"];

    private readonly HashSet<Value> _moved;
    private readonly HashSet<Value> _sized;
    private readonly Dictionary<Value, int> _rowAxes;
    private readonly Dictionary<Op, int> _pairAxes = [];
    private readonly HashSet<Value> _identities;

    /// <param name="starts">The values that are moved, [1, position, d].</param>
    /// <param name="ops">In order, what <paramref name="outputs"/> are computed by.</param>
    /// <param name="outputs">What is asked for in pairs, [1, position, d].</param>
    /// <param name="ends">What is asked for whole.</param>
    public MovedForms(IReadOnlyList<Value> starts, IReadOnlyList<Op> ops, IReadOnlyList<Value> outputs, IReadOnlyList<Value> ends)
    {
        _moved = Topology.DependentOn(starts, [.. ops.Where(op => !s_shapes.Contains(op.Type))]);
        _sized = Topology.DependentOn(starts, ops);
        _rowAxes = starts.ToDictionary(v => v, _ => 1);
        _identities = [.. starts];
        foreach (var op in ops.Where(Moves)) FindRowAxis(op);
        FindPairAxes([.. ops.Where(Moves)], outputs, ends);
    }

    /// <summary>Whether a value changes; what only has another number of rows does not.</summary>
    public bool Moves(Value v) => _moved.Contains(v);

    /// <summary>Whether one of an operator's outputs changes.</summary>
    public bool Moves(Op op) => op.Out.Any(v => v is not null && _moved.Contains(v));

    /// <summary>Whether a value changes or is computed from the shape of one that does.</summary>
    public bool Sizes(Value v) => _sized.Contains(v);

    /// <summary>The position axis of a value that is computed in rows; −1: of none.</summary>
    public int RowAxis(Value v) => _rowAxes.GetValueOrDefault(v, -1);

    /// <summary>The position axis of an operator's outputs where it is computed in pairs; −1: it is not.</summary>
    public int PairAxis(Op op) => _pairAxes.GetValueOrDefault(op, -1);

    /// <summary>Whether a value's change is that of a moved value itself.</summary>
    public bool IsIdentity(Value v) => _identities.Contains(v);

    private int[] Moving(Op op) => [.. Enumerable.Range(0, op.In.Count).Where(i => op.In[i] is { } v && _moved.Contains(v))];

    private void FindRowAxis(Op op)
    {
        var moving = Moving(op);
        if (!moving.All(i => _rowAxes.ContainsKey(op.In[i]!))) return;
        var axis = PositionFlow.OutputAxis(op, moving.ToDictionary(i => i, i => _rowAxes[op.In[i]!]));
        if (!KeepsApart(op, axis)) return;
        foreach (var v in op.Out)
        {
            if (v is not null) _rowAxes[v] = axis;
        }
        if (moving is [var only] && _identities.Contains(op.In[only]!) && op.Out[0]!.Rank == 3
            && (op.Type is "Identity" or "Add" || (op.Type == "Sub" && only == 0)))
        {
            _identities.Add(op.Out[0]!);
        }
    }

    // what stands still beside it is seen at the same positions, so its axis must be known
    private static bool KeepsApart(Op op, int axis) =>
        axis >= 0 && Enumerable.Range(0, op.In.Count).All(i => PositionFlow.InputAxis(op, i, axis) != PositionFlow.Mixes)
        && (op.Type != "Reshape" || op.Out[0]!.Shape!.Where((d, i) => i != axis).All(d => d.Size is not null));

    private void FindPairAxes(Op[] ops, IReadOnlyList<Value> outputs, IReadOnlyList<Value> ends)
    {
        var axes = outputs.ToDictionary(v => v, _ => 1);
        foreach (var v in ends) axes[v] = PositionFlow.Mixes;
        foreach (var op in ops.Reverse())
        {
            int[] made = [.. op.Out.Where(v => v is not null && axes.ContainsKey(v)).Select(v => axes[v!]).Distinct()];
            if (made.Length == 0) continue;
            var axis = made is [var one] ? one : PositionFlow.Mixes;
            var moving = Moving(op);
            var apart = KeepsApart(op, axis) && moving.All(i => PositionFlow.InputAxis(op, i, axis) >= 0);
            if (apart) _pairAxes[op] = axis;
            foreach (var i in moving)
            {
                var (x, at) = (op.In[i]!, apart ? PositionFlow.InputAxis(op, i, axis) : PositionFlow.Mixes);
                axes[x] = axes.TryGetValue(x, out var known) && known != at ? PositionFlow.Mixes : at;
            }
        }
    }
}
