using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// One graph that yields what the tensors directly computed from others become when these are moved, in one run for any number of moves.
/// 1. N rows are what the moved tensors hold at one position each: the unmoved run's, then those of each move that differ from it.
///    While operators keep positions apart, they are run on the rows.
/// 2. At the first operator that mixes positions each move becomes a row of the batch, put together from its rows and unmoved ones.
/// 3. Where nothing behind mixes positions again, M wanted pairs of a move and a position are taken, and only they go on.
///    What a pair before its move's first position holds must be what the unmoved row holds there (<see cref="LeaksOutput"/>).
/// </summary>
/// <remarks>Nothing is linear here: the operators are the model's own. Whether one mixes positions is read off it
/// (<see cref="PositionFlow"/>), as <see cref="SegmentJacobian"/> does.</remarks>
internal sealed class ExactSegment
{
    /// <param name="Index">Of the tensor among those asked for.</param>
    /// <param name="Output">float32 [1, rows, d] or [1, pairs, d]; null: what it becomes differs by the move itself.</param>
    /// <param name="InPairs">It is read in pairs, else in rows.</param>
    internal sealed record Child(int Index, string? Output, bool InPairs);

    public required OnnxGraph Graph { get; init; }

    /// <summary>Those of the tensors asked for that depend on a moved one.</summary>
    public required IReadOnlyList<Child> Children { get; init; }

    /// <summary>Output float32 [whole, …] of what was asked for whole; null: it does not depend on a moved tensor.</summary>
    public required string? EndOutput { get; init; }

    /// <summary>Output float32 scalar: above 0 where a position read a later one, so that a move changes what lies before it;
    /// null: nothing is read in pairs.</summary>
    public required string? LeaksOutput { get; init; }

    /// <summary>Nothing has to be run: all that is asked for moves as the moved tensor does.</summary>
    public bool NeedsNoRun => Graph.Outputs.Count == 0;

    /// <param name="moved">The tensors that are moved, [1, position, d].</param>
    /// <param name="outputs">Tensors as they are computed, [1, position, d].</param>
    /// <param name="end">A further value that each move gives whole, [1, …]; null: none.</param>
    /// <param name="stops">All tensors the model is cut at, the moved ones among them.</param>
    /// <param name="inFull">Outputs that only differ by the move itself are made all the same.</param>
    /// <exception cref="GraphException">The positions have a fixed number, or a size on the way is not known.</exception>
    public static ExactSegment Build(IReadOnlyList<Value> moved, IReadOnlyList<Value> outputs, Value? end, IReadOnlyList<Value> stops,
        bool inFull = false)
    {
        RequireOpen(moved);
        Value[] ends = end is null ? [] : [end];
        var ops = Topology.Between(stops, [.. outputs, .. ends]);
        var forms = new MovedForms(moved, ops, outputs, ends);
        var g = new GraphBuilder("exact/");
        var inputs = new MoveInputs(g, moved);
        var run = new MovedRun(g, forms, inputs);
        foreach (var op in ops.Where(forms.Moves)) run.Step(op);

        var results = new List<Value>();
        string Named(Value v)
        {
            var named = g.Identity(v, $"moved.{results.Count}");
            results.Add(named);
            return named.Name;
        }
        var children = new List<Child>();
        for (var i = 0; i < outputs.Count; i++)
        {
            var v = outputs[i];
            if (!forms.Moves(v)) continue;
            var inRows = forms.RowAxis(v) == 1;
            children.Add(new Child(i, forms.IsIdentity(v) && !inFull ? null : Named(inRows ? run.Rows(v) : run.Pairs(v, 1)), !inRows));
        }
        var endOutput = end is not null && forms.Moves(end) ? Named(run.Whole(end)) : null;
        var leaksOutput = run.Leaks is { } leaks ? Named(leaks) : null;
        return new ExactSegment
        {
            Graph = new OnnxGraph([.. inputs.All, .. Topology.ReadBy(results, stops, inputs.All)], results),
            Children = children,
            EndOutput = endOutput,
            LeaksOutput = leaksOutput,
        };
    }

    private static void RequireOpen(IReadOnlyList<Value> moved)
    {
        if (moved.FirstOrDefault(v => v.Shape![1].Size is not null) is not { } bound) return;
        throw new GraphException($"'{bound.Name}' has a fixed length of {bound.Shape![1]} positions; "
            + "export the model with a named (dynamic) position axis");
    }
}
