using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Onnx;

/// <summary>
/// How much memory a graph's own tensors would take, counted before any runtime sees it:
/// a file of a kilobyte can ask for terabytes, and the runtime computes constants when a session is made.
/// 1. Every open axis is taken as <see cref="Length"/>, so that all sizes that follow from sizes are numbers.
/// 2. What follows from constants alone adds up: the runtime keeps it.
///    What follows from the inputs counts while something is still to read it.
/// 3. Work counts as well: operations of matrix products, and bytes that are written; both may grow with the weights, as a model's do.
/// 4. What makes a tensor of a size that does not follow from sizes is refused.
/// </summary>
internal sealed class GraphSizes
{
    /// <summary>Batch and positions: as long as the longest prompt on which a bundle is compared with the graph it was made of.</summary>
    public const int Length = 9;

    /// <summary>Bytes of what follows from constants, besides four times the weights:
    /// these may be converted, turned and turned again.</summary>
    public const long MostConstant = 512L << 20;

    /// <summary>Bytes of what follows from the inputs and is needed at one time.</summary>
    public const long MostLive = 1L << 30;

    /// <summary>Operations of products of constants; and of all products,
    /// besides those that read every weight <see cref="MostReadings"/> times at every position.</summary>
    public const double MostConstantWork = 2e10, MostWork = 2e11;

    /// <summary>Bytes of all that is made, besides <see cref="MostReadings"/> times the weights.</summary>
    public const long MostMade = 16L << 30;

    // a model whose blocks share their weights has no more of them
    private const int MostReadings = 32;

    // yields no more than it reads, whatever the sizes are
    private static readonly HashSet<string> s_neverLarger =
    [
        "Identity", "Cast", "CastLike", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Shape",
        "Size", "Neg", "Abs", "Not", "Sign", "Floor", "Ceil", "Round", "Sqrt", "Exp", "Log", "Relu", "Tanh", "Sigmoid", "Erf", "Sin", "Cos",
        "Reciprocal", "Softmax", "LogSoftmax", "CumSum", "Trilu", "IsNaN", "IsInf", "Clip", "ReduceMean", "ReduceSum", "ReduceMax",
        "ReduceMin", "ReduceProd", "ArgMax", "ArgMin", "TopK", "Unique", "Compress",
    ];

    private readonly OnnxGraph _graph;
    private readonly List<Op> _ops;
    private readonly HashSet<Value> _fixed = [];
    private readonly Dictionary<Value, double> _bytes = [];
    private readonly double _weights;
    private Op? _unknown;

    private GraphSizes(ModelProto model)
    {
        _graph = OnnxGraph.FromProto(model, everyOpenAxis: Length);
        _ops = [.. _graph.Values.Values.Select(v => v.Producer).OfType<Op>().Distinct()];   // as they stand in the file
        _weights = _graph.Values.Values.Where(v => v.IsConstant).Sum(v => Exact(v) ?? 0);
    }

    /// <summary>The first three steps.</summary>
    /// <exception cref="GraphException">The operator that makes too much, with the limit.</exception>
    public static GraphSizes Count(ModelProto model)
    {
        var sizes = new GraphSizes(model);
        sizes.Count();
        return sizes;
    }

    /// <summary>The fourth: apart, for a reader may know better why nothing is known of an operator.</summary>
    /// <exception cref="GraphException">The first operator that makes a tensor of which the size cannot be told.</exception>
    public void RequireKnown()
    {
        if (_unknown is { } op)
        {
            throw new GraphException($"how much {op} makes cannot be told from the sizes in the graph, so it could be anything; "
                + "export the model with other operators in its place");
        }
    }

    private void Count()
    {
        double constant = 0, live = 0, made = 0, constantWork = 0, work = 0;
        var ends = LastReaders();
        foreach (var op in _ops)
        {
            var isFixed = op.In.All(v => v is null || v.IsConstant || _fixed.Contains(v));
            var bytes = op.Out.Where(v => v is not null).Sum(v => _bytes[v!] = Exact(v!) ?? Bound(op));
            if (isFixed) _fixed.UnionWith(op.Out.Where(v => v is not null)!);
            (constant, live) = isFixed ? (constant + bytes, live) : (constant, live + bytes);
            (made, work, constantWork) = (made + bytes, work + Work(op), constantWork + (isFixed ? Work(op) : 0));
            RequireConstants(op, constant, constantWork);
            RequireMemory(op, live, made);
            if (work > MostWork + (MostReadings * 2.0 * Length * Length * _weights / 4))
            {
                throw TooMuch(op, $"comes to {work:G2} operations with all before it for {Length} prompts of {Length} tokens, "
                    + $"more than weights of {Text(_weights)} ask for", "export the model again");
            }
            foreach (var v in ends.GetValueOrDefault(op, []))
            {
                if (!_fixed.Contains(v)) live -= _bytes.GetValueOrDefault(v);
            }
        }
    }

    private void RequireConstants(Op op, double constant, double constantWork)
    {
        var most = MostConstant + (4 * _weights);
        if (constant > most)
        {
            throw TooMuch(op, $"makes too much out of constants: {Text(constant)} with all before it, {Text(most)} is the most here",
                "export the model with these constants as weights");
        }
        if (constantWork > MostConstantWork)
        {
            throw TooMuch(op, $"multiplies constants in {constantWork:G2} operations with all before it, {MostConstantWork:G2} is the most",
                "export the model with the products as weights");
        }
    }

    private void RequireMemory(Op op, double live, double made)
    {
        if (live > MostLive)
        {
            throw TooMuch(op, $"makes too much: {Text(live)} are needed at one time for {Length} prompts of {Length} tokens, "
                + $"{Text(MostLive)} is the most", "export the model again");
        }
        if (made > MostMade + (MostReadings * _weights))
        {
            throw TooMuch(op, $"makes too much: {Text(made)} with all before it for {Length} prompts of {Length} tokens, "
                + $"{Text(MostMade + (MostReadings * _weights))} is the most here", "export the model again");
        }
    }

    private static GraphException TooMuch(Op op, string what, string fix) => new($"{op} {what}{ShapeOf(op)}; {fix}");

    // multiplications and additions of a product, where the sizes are known
    private static double Work(Op op)
    {
        if (op.Type is not ("MatMul" or "Gemm") || op.In[0]?.Shape is not { Length: > 0 } x || op.Out[0] is not { } z
            || Exact(z) is not { } bytes)
        {
            return 0;
        }
        var inner = op.Type == "Gemm" && op.Int("transA", 0) != 0 ? x[0] : x[^1];
        return 2.0 * (inner.Size ?? 0) * bytes / (Constants.BytesPerEntry(z.Type) ?? 8);
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

    private static string ShapeOf(Op op) =>
        op.Out.FirstOrDefault(v => v is not null)?.Shape is { } shape ? $" (its shape is [{string.Join(", ", shape)}])" : "";
}
