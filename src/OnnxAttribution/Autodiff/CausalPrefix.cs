using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// What lets a tensor's first positions be computed from the first positions of all that it reads, as were there no others.
/// 1. Weights, sizes and <see cref="Tables"/> over positions are told apart from what activations go into.
/// 2. Of these an operator keeps positions apart (<see cref="PositionFlow"/>), or
/// 3. it is a softmax over keys whose scores a table masks, so that a query's pattern is 0 behind its position; or a product that adds up
///    values by such a pattern.
/// 4. Whether the tables are such masks is looked at where they have been computed (<see cref="CausalMask"/>).
/// </summary>
/// <remarks>Cotangents need nothing more: what a query leaves at keys behind it is its pattern's share there, 0.</remarks>
internal sealed class CausalPrefix
{
    // where what they read is 0, what they yield is
    private static readonly FrozenSet<string> s_keepZeros =
        FrozenSet.Create("Identity", "Cast", "Dropout", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Mul", "Div");

    private readonly string _position;
    private readonly HashSet<Value> _data;
    private readonly HashSet<Value> _sized = [];
    private readonly HashSet<Value> _tables = [];
    private readonly List<CausalMask> _masks = [];
    private readonly Dictionary<Value, (int Query, int Key)> _past = [];

    private CausalPrefix(string position, IEnumerable<Value> data) => (_position, _data) = (position, [.. data]);

    /// <summary>What is read over positions and is the same for all activations: masks, turns.</summary>
    public IReadOnlyCollection<Value> Tables => _tables;

    /// <summary>Of these, those that have to mask the future.</summary>
    public IReadOnlyList<CausalMask> Masks => _masks;

    /// <param name="output">[1, position, d].</param>
    /// <param name="cut">What it is computed from, and what else is given.</param>
    /// <returns>null: the graph does not show it.</returns>
    public static CausalPrefix? Of(Value output, IReadOnlyList<Value> cut)
    {
        if (output.Shape is not [_, { Symbol: { } position }, _]) return null;
        var prefix = new CausalPrefix(position, cut);
        return Topology.Between(cut, [output]).All(prefix.Takes) ? prefix : null;
    }

    /// <summary>The axes of a value that count positions.</summary>
    public IReadOnlyList<int> AxesOf(Value v) => AxesOf(v, _position) ?? [];

    // null: the shape does not tell
    private static int[]? AxesOf(Value v, string position) => v.Shape is not { } shape
        || shape.Any(d => d.Size is null && (d.Symbol is null || (d.Symbol != position && d.Symbol.Split('*').Contains(position)))) ? null
        : [.. Enumerable.Range(0, shape.Length).Where(i => shape[i].Symbol == position)];

    /// <summary>The operators that read what tensors hold, and not their shapes alone.</summary>
    public static IReadOnlyList<Op> OnEntries(IReadOnlyList<Op> ops) => [.. ops.Where(op => op.Type is not ("Shape" or "Size"))];

    /// <summary>Inputs of the graph that have the positions of a tensor, tokens above all.</summary>
    /// <param name="output">[1, position, …].</param>
    /// <param name="ops">That lead to it.</param>
    public static IEnumerable<Value> InputsOver(Value output, IReadOnlyList<Op> ops) => output.Shape is [_, { Symbol: { } position }, ..]
        ? ops.SelectMany(op => op.In).OfType<Value>().Where(x => x.IsInput && AxesOf(x, position) is not (null or [])).Distinct() : [];

    private bool Takes(Op op)
    {
        if (op.Type is "Shape" or "Size")
        {
            _sized.UnionWith(op.Out.OfType<Value>());
        }
        else if (op.In.Any(x => x is not null && IsData(x)))
        {
            if (!Keeps(op)) return false;
            _data.UnionWith(op.Out.OfType<Value>());
        }
        else if (op.In.Any(x => x is not null && IsSized(x)))
        {
            _sized.UnionWith(op.Out.OfType<Value>());
        }
        return true;
    }

    private bool IsData(Value v) => v.IsInput || _data.Contains(v);

    // follows from how many positions there are
    private bool IsSized(Value v) => _sized.Contains(v) && v.Content?.All(d => d.Size is not null) != true;

    private bool Keeps(Op op)
    {
        if (op.Out.Any(z => z is not null && AxesOf(z, _position) is null)) return false;
        var inputs = Enumerable.Range(0, op.In.Count).Where(i => op.In[i] is not null).ToList();
        if (!inputs.All(i => IsTold(op, i))) return false;
        var open = inputs.ToDictionary(i => i, i => (AxesOf(op.In[i]!, _position) ?? []).ToHashSet());
        var over = op.Type == "Softmax" ? ShapeInference.Axis(op.Int("axis", -1), op.Out[0]!.Rank) : PositionFlow.None;
        foreach (var i in inputs.Where(i => open[i].Count > 0))
        {
            foreach (var axis in AxesOf(op.Out[0]!, _position)!)
            {
                var read = axis == over ? MaskedOver(op, axis) : InputAxis(op, i, axis);
                if (read == PositionFlow.Mixes) return false;
                open[i].Remove(read);
            }
        }
        if (inputs.Any(i => open[i].Count > 0) && !IsSumOverPast(op, open)) return false;
        PassZeros(op, over);
        return true;
    }

    // of what no activation goes into: a table, a shape, or what does not depend on how many positions there are
    private bool IsTold(Op op, int input)
    {
        var x = op.In[input]!;
        if (AxesOf(x, _position) is not { } axes) return !IsData(x) && !IsSized(x);
        if (IsData(x)) return true;
        if (axes.Length > 0) _tables.Add(x);
        else if (IsSized(x)) return op.Type is "Reshape" or "Expand" && input == 1 && x.Content is not null;
        return true;
    }

    // rows of a table by token
    private static int InputAxis(Op op, int input, int axis)
    {
        if (op.Type != "Gather" || input != 1) return PositionFlow.InputAxis(op, input, axis);
        var at = ShapeInference.Axis(op.Int("axis", 0), op.In[0]!.Rank);
        return axis >= at && axis < at + op.In[1]!.Rank ? axis - at : PositionFlow.None;
    }

    // a softmax over keys: the axis itself, where what it reads is masked
    private int MaskedOver(Op softmax, int axis)
    {
        var x = softmax.In[0]!;
        while (x.Producer is { Type: "Identity" } same) x = same.In[0]!;
        if (axis != x.Rank - 1 || x.Producer is not { } op || MaskOf(op) is not { } mask) return PositionFlow.Mixes;
        if (AxesOf(mask.Table, _position) is not [var query, var key] || key != mask.Table.Rank - 1 || query != key - 1)
        {
            return PositionFlow.Mixes;
        }
        _masks.Add(mask);
        return axis;
    }

    private CausalMask? MaskOf(Op op)
    {
        static bool IsClosed(Value? v) => v is not null && Constants.Scalar(v) <= CausalMask.Closed;
        bool IsTable(Value? v) => v is not null && _tables.Contains(v);
        return op switch
        {
            { Type: "Where", In: [{ } table, _, { } least] } when IsTable(table) && IsClosed(least) => new(table, true),
            { Type: "Where", In: [{ } table, { } least, _] } when IsTable(table) && IsClosed(least) => new(table, false),
            { Type: "Add", In: [_, { } table] } when IsTable(table) => new(table, null),
            { Type: "Add", In: [{ } table, _] } when IsTable(table) => new(table, null),
            _ => null,
        };
    }

    // z = pattern · values, the pattern 0 behind each query
    private bool IsSumOverPast(Op op, Dictionary<int, HashSet<int>> open) => op is { Type: "MatMul", In: [{ } pattern, { } values] }
        && _past.TryGetValue(pattern, out var p) && p.Key == pattern.Rank - 1
        && open[0].SetEquals([pattern.Rank - 1]) && open[1].SetEquals([values.Rank - 2]);

    private void PassZeros(Op op, int softmaxOver)
    {
        var z = op.Out[0]!;
        if (softmaxOver == z.Rank - 1 && AxesOf(z, _position) is [.., var before, var last] && last == softmaxOver && before == last - 1)
        {
            _past[z] = (before, last);
        }
        if (!s_keepZeros.Contains(op.Type)) return;
        for (var i = 0; i < (op.Type == "Mul" ? op.In.Count : 1); i++)
        {
            if (op.In[i] is not { } x || !_past.TryGetValue(x, out var p)) continue;
            var axes = Enumerable.Range(0, z.Rank).ToLookup(a => InputAxis(op, i, a));
            if (axes[p.Query].Any() && axes[p.Key].Any()) _past[z] = (axes[p.Query].First(), axes[p.Key].First());
        }
    }
}
