using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Onnx;

/// <summary>
/// How much memory a graph's own tensors would take, counted before any runtime sees it: a file of a kilobyte can ask for terabytes, and the runtime computes constants when a session is made.
/// 1. Every open axis is taken as <see cref="Length"/>, so that all sizes that follow from sizes are numbers.
/// 2. What follows from constants alone adds up: the runtime keeps it. What follows from the inputs counts while something is still to read it.
/// 3. What makes a tensor of a size that does not follow from sizes is refused.
/// </summary>
internal sealed class GraphSizes
{
    /// <summary>Batch and positions: as long as the longest prompt on which a bundle is compared with the graph it was made of.</summary>
    public const int Length = 9;

    /// <summary>Bytes of what follows from constants, besides four times the weights: these may be converted, turned and turned again.</summary>
    public const long MostConstant = 512L << 20;

    /// <summary>Bytes of what follows from the inputs and is needed at one time.</summary>
    public const long MostLive = 1L << 30;

    // yields no more than it reads, whatever the sizes are
    private static readonly HashSet<string> s_neverLarger =
    [
        "Identity", "Cast", "CastLike", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Shape", "Size", "Neg", "Abs", "Not", "Sign", "Floor", "Ceil", "Round", "Sqrt", "Exp", "Log",
        "Relu", "Tanh", "Sigmoid", "Erf", "Sin", "Cos", "Reciprocal", "Softmax", "LogSoftmax", "CumSum", "Trilu", "IsNaN", "IsInf", "Clip",
        "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ArgMax", "ArgMin", "TopK", "Unique", "Compress",
    ];

    private readonly OnnxGraph _graph;
    private readonly List<Op> _ops;
    private readonly HashSet<Value> _fixed = [];
    private readonly Dictionary<Value, double> _bytes = [];
    private readonly double _mostConstant;
    private Op? _unknown;

    private GraphSizes(ModelProto model)
    {
        _graph = OnnxGraph.FromProto(model, everyOpenAxis: Length);
        _ops = [.. _graph.Values.Values.Select(v => v.Producer).OfType<Op>().Distinct()];   // as they stand in the file
        _mostConstant = MostConstant + (4 * _graph.Values.Values.Where(v => v.IsConstant).Sum(v => Exact(v) ?? 0));
    }

    /// <summary>The first two steps.</summary>
    /// <exception cref="GraphException">The operator that makes too much, with the limit.</exception>
    public static GraphSizes Count(ModelProto model)
    {
        var sizes = new GraphSizes(model);
        sizes.Count();
        return sizes;
    }

    /// <summary>The third: apart, for a reader may know better why nothing is known of an operator.</summary>
    /// <exception cref="GraphException">The first operator that makes a tensor of which the size cannot be told.</exception>
    public void RequireKnown()
    {
        if (_unknown is { } op) throw new GraphException($"how much {op} makes cannot be told from the sizes in the graph, so it could be anything; export the model with other operators in its place");
    }

    private void Count()
    {
        double constant = 0, live = 0;
        var ends = LastReaders();
        foreach (var op in _ops)
        {
            var isFixed = op.In.All(v => v is null || v.IsConstant || _fixed.Contains(v));
            foreach (var v in op.Out)
            {
                if (v is null) continue;
                var bytes = _bytes[v] = Exact(v) ?? Bound(op);
                if (isFixed) _fixed.Add(v);
                if (isFixed) constant += bytes;
                else live += bytes;
            }
            if (constant > _mostConstant) throw new GraphException($"{op} makes too much out of constants: {Text(constant)} with all before it, {Text(_mostConstant)} is the most here{ShapeOf(op)}; export the model with these constants as weights");
            if (live > MostLive) throw new GraphException($"{op} makes too much: {Text(live)} are needed at one time for {Length} prompts of {Length} tokens, {Text(MostLive)} is the most{ShapeOf(op)}; export the model again");
            foreach (var v in ends.GetValueOrDefault(op, []))
            {
                if (!_fixed.Contains(v)) live -= _bytes.GetValueOrDefault(v);
            }
        }
    }

    private Dictionary<Op, List<Value>> LastReaders()
    {
        var last = new Dictionary<Value, Op>();
        foreach (var op in _ops)
        {
            foreach (var v in op.In.Concat(op.Out)) if (v is not null) last[v] = op;
        }
        foreach (var v in _graph.Outputs) last.Remove(v);
        return last.GroupBy(p => p.Value, p => p.Key).ToDictionary(g => g.Key, g => g.ToList());
    }

    private double Bound(Op op)
    {
        if (s_neverLarger.Contains(op.Type)) return op.In.Sum(v => v is null ? 0 : _bytes.TryGetValue(v, out var b) ? b : Exact(v) ?? 0);
        _unknown ??= op;
        return 0;
    }

    // eight bytes where the type is not known
    private static double? Exact(Value v) => v.Shape is { } shape && shape.All(d => d.Size is not null)
        ? shape.Aggregate((double)(Constants.BytesPerEntry(v.Type) ?? 8), (n, d) => n * Math.Max(0, d.Size!.Value)) : null;

    private static string Text(double bytes) => bytes >= 1L << 40 ? $"{bytes / (1L << 40):N0} TiB" : $"{bytes / (1L << 20):N0} MiB";

    private static string ShapeOf(Op op) => op.Out.FirstOrDefault(v => v is not null)?.Shape is { } shape ? $" (its shape is [{string.Join(", ", shape)}])" : "";
}
