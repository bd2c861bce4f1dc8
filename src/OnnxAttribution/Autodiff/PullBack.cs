using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// Reverse mode: from a batch of cotangents at one value to the cotangents at the values that a segment begins with.
/// 1. A cotangent is either whole, [B, …primal shape], or in rows, [1, …primal shape with N rows in place of T positions]:
///    row n is one cotangent, zero at all positions but its own. Rows go on as rows while operators keep positions apart.
/// 2. Where an operator mixes positions, rows become whole: N rows are N cotangents.
/// 3. A product of rows with a matrix of all positions (a pattern and values, queries and keys) mixes them in the matrix only: what is
///    pulled back to the rows stays rows, and what is pulled back to the matrix is an outer product per row, which is left as its two
///    factors where it is to be contracted (<see cref="Outer"/>). No [N, T, T] arises.
/// 4. A whole cotangent ends at the first value of <paramref name="meeting"/> (it is to be contracted
///    there with tangents); rows go on to the segment's inputs.
/// </summary>
/// <param name="meeting">Values at which whole cotangents end.</param>
internal sealed class PullBack(WalkScope scope, IReadOnlySet<Value> meeting)
{
    private readonly GraphBuilder g = scope.G;
    private readonly GradientRules rules = scope.Rules;
    private readonly Dictionary<Value, Value> _whole = [];
    private readonly Dictionary<Value, (Value Cotangent, int Axis)> _rows = [];
    private readonly List<OuterCotangent> _outer = [];
    private HashSet<Value> _kept = [];

    /// <summary>The position axes of meeting values at which cotangents may be left as outer products; null: rows
    /// become whole wherever positions are mixed.</summary>
    public IReadOnlyDictionary<Value, int>? OuterAxes { get; init; }

    /// <summary>Rows are those of one cotangent, each at a position of its own: where positions are mixed they are added up to one whole
    /// cotangent [1, …] and not kept apart.</summary>
    public bool AddsRows { get; init; }

    /// <summary>Whole cotangents that were left as outer products.</summary>
    public IReadOnlyList<OuterCotangent> Outer => _outer;

    /// <summary>Whole cotangents [B, …] by the value they ended at.</summary>
    public IReadOnlyDictionary<Value, Value> Whole => _whole;

    /// <summary>Cotangents in rows, with the position axis of the primal value, by value.</summary>
    public IReadOnlyDictionary<Value, (Value Cotangent, int Axis)> InRows => _rows;

    /// <summary>All of a value's cotangent with <see cref="AddsRows"/>, whole, [1, …]; null where none arrived.</summary>
    public Value? WholeOf(Value v, Rows rows)
    {
        if (_rows.Remove(v, out var r)) AddWhole(v, PlacedRows(r.Cotangent, r.Axis, rows.Spread!));
        return _whole.GetValueOrDefault(v);
    }

    /// <summary>Pulls a whole cotangent [B, …shape of output] back to <paramref name="inputs"/>,
    /// through some of them to others where these are no stops.</summary>
    public static IReadOnlyDictionary<Value, Value> FromWhole(
        WalkScope scope, Value output, Value cotangent, IReadOnlyList<Value> inputs)
    {
        var walk = new PullBack(scope, new HashSet<Value>()) { _kept = inputs.ToHashSet() };
        walk._whole[output] = cotangent;
        walk.Run(output, inputs, null);
        return walk._whole;
    }

    /// <summary>Pulls rows [1, 1, N, d], of an output [1, T, d], back.</summary>
    /// <param name="rows">With what turns them into whole cotangents (<see cref="Rows.Spread"/>).</param>
    public void FromRows(Value output, Value cotangent, IReadOnlyList<Value> inputs, Rows rows)
    {
        _rows[output] = (cotangent, 1);
        Run(output, inputs, rows);
    }

    private void Run(Value output, IReadOnlyList<Value> inputs, Rows? rows)
    {
        var ops = Topology.Between(scope.Stops, [output]);
        var active = rules.Reached(inputs, ops);
        for (var i = ops.Count - 1; i >= 0; i--)
        {
            var op = ops[i];
            if (!op.Out.Any(v => v is not null && active.Contains(v))) continue;
            StepInRows(op, active, rows);
            StepWhole(op, active);
        }
    }

    private void StepInRows(Op op, HashSet<Value> active, Rows? rows)
    {
        var made = op.Out.Where(v => v is not null && _rows.ContainsKey(v)).ToList();
        if (made.Count == 0) return;
        var axis = _rows[made[0]!].Axis;
        var apart = made.All(v => _rows[v!].Axis == axis) && !made.Any(v => _whole.ContainsKey(v!) && !meeting.Contains(v!))
            && Enumerable.Range(0,
                op.In.Count).All(i => op.In[i] is not { } x || !active.Contains(x) || PositionFlow.InputAxis(op, i, axis) >= 0)
            && Enumerable.Range(0, op.In.Count).All(i => PositionFlow.InputAxis(op, i, axis) != PositionFlow.Mixes);
        if (!apart && SplitsAt(op, axis, active))
        {
            Split(op, active, rows!);
            return;
        }
        if (!apart)
        {
            foreach (var v in made)
            {
                var (c, a) = _rows[v!];
                _rows.Remove(v!);
                AddWhole(v!, AddsRows ? PlacedRows(c, a, rows!.Spread!) : WholeFromRows(c, a, rows!.Spread!));
            }
            return;
        }
        PullRows(op, active, rows!, axis);
    }

    private void PullRows(Op op, HashSet<Value> active, Rows rows, int axis)
    {
        Value Seen(Value v)
        {
            for (var i = 0; i < op.In.Count; i++)
            {
                if (op.In[i] == v) return rows.At(v, PositionFlow.InputAxis(op, i, axis));
            }
            return rows.At(v, axis);
        }
        var zBars = op.Out.Select(v => v is not null && _rows.TryGetValue(v, out var r) ? r.Cotangent : null).ToArray();
        foreach (var (i, c) in Apply(op, active, Seen, zBars))
        {
            var x = op.In[i]!;
            var at = PositionFlow.InputAxis(op, i, axis);
            if (_rows.TryGetValue(x, out var sum) && sum.Axis != at)
            {
                throw new GraphException($"'{x.Name}' is read along two position axes");
            }
            _rows[x] = (_rows.ContainsKey(x) ? g.Add(sum.Cotangent, c) : c, at);
        }
    }

    // z = x y with the rows in x: y has all positions, or none
    private bool SplitsAt(Op op, int axis, HashSet<Value> active) => (OuterAxes is not null || AddsRows)
        && op is { Type: "MatMul", In: [{ } x, { } y] } && x != y && x.Rank >= 2 && y.Rank >= 2
        && axis == op.Out[0]!.Rank - 2 && active.Contains(y)
        && (!_whole.ContainsKey(op.Out[0]!) || meeting.Contains(op.Out[0]!));

    // x̄ stays rows; ȳ[n] = x[n]ᵀ z̄[n]
    private void Split(Op op, HashSet<Value> active, Rows rows)
    {
        var (x, y, z) = (op.In[0]!, op.In[1]!, op.Out[0]!);
        var axis = z.Rank - 2;
        if (active.Contains(x)) PullRows(op, [.. active.Where(v => v != y)], rows, axis);
        var left = Walk.Lift(g, g.Unsqueeze(rows.At(x, x.Rank - 2), 0), z.Rank);                // [1, …, N, K]
        var share = rules.ProductShare(op);
        var right = share == 1 ? _rows[z].Cotangent : g.Mul(_rows[z].Cotangent, g.Scalar(share));  // [1, …, N, J]
        if (meeting.Contains(y) && OuterAxes!.TryGetValue(y, out var at) && at >= y.Rank - 2)
        {
            _outer.Add(new OuterCotangent(y, left, right, at == y.Rank - 2));
            return;
        }
        if (AddsRows)
        {
            // ȳ = xᵀ z̄ over all rows
            AddWhole(y, Walk.FitTo(g, g.MatMul(VjpRules.Flip(g, left), right), y, v => v));         // [1, …, K, J]
            return;
        }
        var perm = Enumerable.Range(0, z.Rank + 1).ToArray();
        (perm[0], perm[axis + 1]) = (perm[axis + 1], perm[0]);
        var product = g.MatMul(VjpRules.Flip(g, g.Transpose(left, perm)), g.Transpose(right, perm));   // [N, …, K, J]
        AddWhole(y, Walk.FitTo(g, product, y, v => v));
    }

    private void StepWhole(Op op, HashSet<Value> active)
    {
        var made = op.Out.Where(v => v is not null && _whole.ContainsKey(v) && !meeting.Contains(v)).ToList();
        if (made.Count == 0) return;
        var zBars = op.Out.Select(v => v is not null && _whole.TryGetValue(v, out var z) ? Gated(v, z) : null).ToArray();
        foreach (var (i, c) in Apply(op, active, v => v, zBars)) AddWhole(op.In[i]!, c);
        foreach (var v in made)
        {
            if (!_kept.Contains(v!)) _whole.Remove(v!);
        }
    }

    private IEnumerable<(int Input, Value Cotangent)> Apply(Op op, HashSet<Value> active, Func<Value, Value> seen, Value?[] zBars)
    {
        if (!rules.Vjp.TryGetValue(op.Type, out var rule))
        {
            throw new GraphException($"operator {op.Type} of node {op} has no gradient rule; "
                + "it lies between two sites, so no gradient can pass. Write the model without it, or add a row to VjpRules");
        }
        var view = new OpView(op, seen, [.. op.In.Select(v => v is not null && active.Contains(v))]);
        var cotangents = rule(g, view, zBars);
        for (var i = 0; i < cotangents.Length; i++)
        {
            if (i < op.In.Count && view.Wants(i) && cotangents[i] is { } c) yield return (i, Walk.FitTo(g, c, op.In[i]!, seen));
        }
    }

    private Value Gated(Value v, Value cotangent) => scope.Gates.TryGetValue(v, out var gate) ? g.Mul(cotangent, gate) : cotangent;

    private void AddWhole(Value v, Value c) => _whole[v] = _whole.TryGetValue(v, out var sum) ? g.Add(sum, c) : c;

    // [1, …, N, …] at axis a + 1  →  [N, …, T, …]: rows become the batch, each spread to its own position
    private Value WholeFromRows(Value c, int axis, Value spread)
    {
        var perm = Enumerable.Range(0, c.Rank).ToArray();
        (perm[0], perm[axis + 1]) = (perm[axis + 1], perm[0]);
        var others = Enumerable.Range(1, c.Rank - 1).Where(i => i != axis + 1).Select(i => (long)i);
        return g.Mul(g.Transpose(c, perm), g.Unsqueeze(spread, [.. others]));
    }

    // [1, …, N, …] at axis a + 1  →  [1, …, T, …]: each row at its own position, 0 at all others
    private Value PlacedRows(Value c, int axis, Value spread)
    {
        var perm = Enumerable.Range(0, c.Rank).Where(i => i != axis + 1).Append(axis + 1).ToArray();
        var placed = g.MatMul(g.Transpose(c, perm), spread);                                       // [1, …, T]
        return g.Transpose(placed, [.. Enumerable.Range(0, c.Rank).Select(i => Array.IndexOf(perm, i))]);
    }
}
