using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>Cotangents at an attention's queries, keys and values against the tangents of a segment's parents, head by head.</summary>
/// <param name="scope">Of the tangents: cut at the selected sites, and nowhere else.</param>
/// <param name="axes">Values that depend on all parents position by position, with their position axes.</param>
internal sealed class HeadContraction(WalkScope scope, IReadOnlyList<Value> parents, IReadOnlyDictionary<Value, int> axes)
{
    /// <summary>Cotangents at the inputs of an attention, of those of its outputs that <paramref name="select"/> leaves.</summary>
    public delegate IReadOnlyDictionary<Value, Value> Walk(WalkScope scope, IReadOnlyList<Value> inputs, Func<Value, Value> select);

    private readonly GraphBuilder g = scope.G;
    private readonly List<Value> _inputs = [];
    private readonly List<Value> _outputs = [];
    private readonly List<HeadOutput> _parts = [];
    private readonly Dictionary<Value, Tangents> _tangents = [];
    private readonly Dictionary<(Value Parent, int Layer, bool IsWhole), IReadOnlyDictionary<Value, Value>> _pushed = [];

    public IReadOnlyList<Value> Inputs => _inputs;

    public IReadOnlyList<Value> Outputs => _outputs;

    public IReadOnlyList<HeadOutput> Parts => _parts;

    /// <summary>A parent's tangents as inputs of the graph.</summary>
    private sealed record Tangents(Value Rows, Value Positions, Value Groups, Value Slots);

    /// <summary>Adds what passes one attention last.</summary>
    public void Add(AttentionTensors a, Walk walk)
    {
        var within = scope with { Stops = [.. scope.Stops, .. a.Inputs] };
        var all = walk(within, a.Inputs, c => c);
        Contract(a, AttentionWay.Query, all, (0, 1));
        for (var copy = 0; copy < a.Sharing; copy++)
        {
            var first = copy;
            var some = a.Sharing == 1 ? all : walk(within, a.Inputs, c => g.Mul(c, OneOfEachGroup(a, first)));
            Contract(a, AttentionWay.Value, some, (first, a.Sharing));
            Contract(a, AttentionWay.Key, some, (first, a.Sharing));
        }
    }

    // 1 at head `first` of each group of heads that share a key: [heads, 1], or [heads · d_head]
    private Value OneOfEachGroup(AttentionTensors a, int first)
    {
        var width = a.Outputs.Rank == 4 ? 1 : (int)GraphBuilder.SizeOf(a.Outputs, 2) / a.Heads;
        var mask = Enumerable.Range(0, a.Heads * width).Select(i => i / width % a.Sharing == first ? 1f : 0f).ToArray();
        return g.Constant($"heads.{a.Layer}.{first}", Constants.Of(mask, a.Outputs.Rank == 4 ? [a.Heads, 1] : [mask.Length]));
    }

    private void Contract(AttentionTensors a, AttentionWay way, IReadOnlyDictionary<Value, Value> walked, (int First, int Step) head)
    {
        var at = way == AttentionWay.Query ? a.Queries : way == AttentionWay.Key ? a.Keys : a.Values;
        if (!walked.TryGetValue(at, out var cotangent)) return;
        var heads = g.Transpose(g.Squeeze(cotangent, 1), 2, 0, 1, 3);                           // [H, N, T, dh]
        var isWhole = IsWhole(at);
        foreach (var parent in parents)
        {
            if (Pushed(parent, a, isWhole).GetValueOrDefault(at) is not { } tangent) continue;
            var tangents = Of(parent);
            var product = isWhole ? Whole(heads, tangent) : Grouped(heads, tangent, tangents);
            _outputs.Add(product);
            _parts.Add(new HeadOutput(parent, a.Layer, way, head.First, head.Step, product.Name, isWhole));
            if (!_inputs.Contains(tangents.Rows)) _inputs.AddRange([tangents.Rows, tangents.Positions, tangents.Groups, tangents.Slots]);
        }
    }

    // [H, N, T, dh] and [1, 1, U, H, dh] → [G, H, N, S]
    private Value Grouped(Value heads, Value tangent, Tangents of)
    {
        var c = g.Gather(g.Transpose(heads, 2, 0, 1, 3), of.Groups, 0);                         // [G, H, N, dh]
        var t = g.Gather(g.Squeeze(tangent, 0, 1), of.Slots, 0);                                // [G, S, H, dh]
        return g.MatMul(c, g.Transpose(t, 0, 2, 3, 1));
    }

    // [H, N, T, dh] and [U, 1, T, H, dh] → [H, N, U]
    private Value Whole(Value heads, Value tangent)
    {
        var t = g.Reshape(g.Transpose(g.Squeeze(tangent, 1), 2, 0, 1, 3), 0, 0, -1);            // [H, U, T dh]
        return g.MatMul(g.Reshape(heads, 0, 0, -1), g.Transpose(t, 0, 2, 1));
    }

    // a parent's tangents at those inputs of an attention that they reach
    private IReadOnlyDictionary<Value, Value> Pushed(Value parent, AttentionTensors a, bool isWhole)
    {
        if (_pushed.TryGetValue((parent, a.Layer, isWhole), out var made)) return made;
        var of = Of(parent);
        Value start;
        if (isWhole)
        {
            var spread = g.OneHot(of.Positions, g.Squeeze(g.Shape(parents[0], 1, 2), 0));       // [U, T]
            start = g.Unsqueeze(g.Mul(g.Unsqueeze(of.Rows, 1), g.Unsqueeze(spread, 2)), 1);     // [U, 1, T, d]
        }
        else
        {
            start = g.Unsqueeze(of.Rows, 0, 1);                                                 // [1, 1, U, d]
        }
        return _pushed[(parent, a.Layer, isWhole)] = PushForward.Run(scope, new Dictionary<Value, Value> { [parent] = start },
            [.. a.Inputs.Where(v => IsWhole(v) == isWhole)], isWhole ? null : new Rows(g, of.Positions), isWhole ? null : axes);
    }

    // another attention lies on the way to it
    private bool IsWhole(Value at) => axes.GetValueOrDefault(at, -1) != 1;

    private Tangents Of(Value parent)
    {
        if (_tangents.TryGetValue(parent, out var made)) return made;
        var link = new SegmentJacobian.Parent(parent, null, false, null);
        return _tangents[parent] = new Tangents(
            g.Input(link.Tangents, DataType.Float, Dim.Named("tangents"), parent.Shape![2]),
            g.Input(link.TangentPositions, DataType.Int64, Dim.Named("tangents")),
            g.Input(link.Groups, DataType.Int64, Dim.Named("groups")),
            g.Input(link.Slots, DataType.Int64, Dim.Named("groups"), Dim.Named("slots")));
    }
}
