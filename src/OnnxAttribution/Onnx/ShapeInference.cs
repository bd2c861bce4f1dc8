using System.Collections.Frozen;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Types and shapes of an operator's outputs from those of its inputs, with symbols kept: [batch, position, 768].</summary>
/// <remarks>Only what cutting and differentiating need. An operator that is not known has
/// outputs of unknown shape, which is no error here.</remarks>
internal static partial class ShapeInference
{
    /// <summary>Axes of a tensor at most, and entries of a tensor of sizes at most that are followed:
    /// a few operators in a row can ask for any number of both.</summary>
    public const int MostAxes = 64, MostContent = 1024;

    // their axis is asked for only when they are differentiated
    private static readonly HashSet<string> s_alongAxis = ["Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "Hardmax"];

    // inputs that may not be left out; the others read one
    private static readonly FrozenDictionary<string, int> s_leastInputs = new Dictionary<int, string[]>
    {
        [2] = ["Add", "Sub", "Mul", "Div", "Pow", "Mod", "PRelu", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or",
            "Xor", "MatMul", "MatMulInteger", "Gemm", "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization",
            "CastLike", "Reshape",
            "Unsqueeze", "Gather", "GatherElements", "GatherND", "Expand", "Tile", "Pad", "TopK", "CumSum"],
        [3] = ["Where", "Range", "OneHot", "Slice", "ScatterND", "ScatterElements", "Attention", "RotaryEmbedding"],
    }.SelectMany(p => p.Value, (p, type) => (type, p.Key)).ToFrozenDictionary(p => p.type, p => p.Key);

    internal readonly record struct Result(DataType Type, Dim[]? Shape, Dim[]? Content = null);

    /// <exception cref="GraphException">An axis that the tensor does not have, or more axes than any tensor has.</exception>
    public static Result[] Infer(Op op, int outputs)
    {
        if (op.Domain == ContribDomain.Name) return op.Sound(() => Contrib(op, outputs));
        try
        {
            var least = s_leastInputs.GetValueOrDefault(op.Type, op.Type is "Constant" or "RandomNormal" or "RandomUniform" ? 0 : 1);
            if (op.In.Take(least).Count(v => v is not null) < least)
            {
                throw new GraphException($"it reads fewer tensors than the {least} that it needs; export the model again");
            }
            if (s_alongAxis.Contains(op.Type) && op.In[0]?.Shape is { Length: > 0 } x) Axis(op.Int("axis", -1), x.Length);
            var results = Results(op, outputs);
            foreach (var r in results) Ranked(r.Shape?.Length ?? 0);
            return [.. results.Select(r => r.Content is { Length: > MostContent } ? r with { Content = null } : r)];
        }
        catch (GraphException e)
        {
            throw new GraphException($"{op}: {e.Message}", e);
        }
    }

    private static Result[] Results(Op op, int outputs)
    {
        var results = OfEntries(op) ?? OfProducts(op) ?? OfLayout(op, outputs) ?? [];
        if (results.Length >= outputs) return results;
        return [.. results, .. Enumerable.Repeat(new Result(DataType.Undefined, null), outputs - results.Length)];
    }

    private static readonly FrozenSet<string> s_likeInput = FrozenSet.Create("Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Erf",
        "Tanh", "Sigmoid", "Relu", "Gelu", "Sign", "Floor", "Ceil", "Sin", "Cos", "Softplus", "Softsign", "Selu", "Celu",
        "Hardmax", "Round", "Softmax", "LogSoftmax", "Clip", "CumSum", "Trilu", "Dropout", "RMSNormalization", "LeakyRelu", "Elu",
        "ThresholdedRelu", "HardSigmoid", "HardSwish", "Mish", "Swish", "LpNormalization", "SimplifiedLayerNormalization",
        "RotaryEmbedding", "EyeLike");

    private static DataType TypeOf(Op op) => op.In.Count > 0 && op.In[0] is { } first ? first.Type : DataType.Undefined;

    // entry by entry, with broadcasting; null: another operator
    private static Result[]? OfEntries(Op op)
    {
        Result One(Dim[]? shape, Dim[]? content = null) => new(TypeOf(op), shape, content);
        return op.Type switch
        {
            "Add" or "Sub" or "Mul" or "Div" or "Pow" or "Max" or "Min" or "Mod" or "PRelu" or "Sum" or "Mean" =>
                [One(Broadcast(op.In), Arithmetic(op))],
            "Greater" or "GreaterOrEqual" or "Less" or "LessOrEqual" or "Equal" or "And" or "Or" or "Xor" =>
                [new(DataType.Bool, Broadcast(op.In), Comparison(op))],
            "IsNaN" or "IsInf" or "Not" => [new(DataType.Bool, op.In[0]!.Shape)],
            "Where" => [new(op.In[1]!.Type, Broadcast(op.In), Choice(op))],
            _ when s_likeInput.Contains(op.Type) => [One(op.In[0]!.Shape)],
            _ => null,
        };
    }

    // products, normalisations and changes of type
    private static Result[]? OfProducts(Op op)
    {
        Result One(Dim[]? shape, Dim[]? content = null) => new(TypeOf(op), shape, content);
        return op.Type switch
        {
            "CastLike" => [new(op.In[1]!.Type, op.In[0]!.Shape)],
            "Attention" => Attention(op),
            "Einsum" => [One(Einsum(op))],
            "Size" => [new(DataType.Int64, [])],
            "Identity" => [One(op.In[0]!.Shape, op.In[0]!.Content)],
            "Cast" => [new((DataType)op.Int("to", 0), op.In[0]!.Shape, op.In[0]!.Content)],
            "LayerNormalization" => [One(op.In[0]!.Shape), .. Enumerable.Repeat(One(Statistics(op)), 2)],
            "MatMul" => [One(MatMul(op.In[0]!.Shape, op.In[1]!.Shape))],
            "MatMulInteger" => [new(DataType.Int32, MatMul(op.In[0]!.Shape, op.In[1]!.Shape))],
            "Gemm" => [One(Gemm(op))],
            _ => null,
        };
    }

    private static Result[]? OfLayout(Op op, int outputs)
    {
        Result One(Dim[]? shape, Dim[]? content = null) => new(TypeOf(op), shape, content);
        return op.Type switch
        {
            "Transpose" => [One(Transpose(op))],
            "Shape" => [ShapeOf(op)],
            "Flatten" => [One(Flatten(op))],
            "Reshape" => [One(Reshape(op), op.In[1]!.Content is { Length: <= 1 } ? op.In[0]!.Content : null)],
            "ReduceMean" or "ReduceSum" or "ReduceMax" or "ReduceMin" or "ReduceProd" or "ReduceL1" or "ReduceL2" or "ReduceLogSum"
                or "ReduceLogSumExp" or "ReduceSumSquare" => [One(Reduce(op))],
            "ArgMax" or "ArgMin" => [new(DataType.Int64, ReduceAxis(op, op.Int("axis", 0)))],
            "Unsqueeze" => [One(Unsqueeze(op), op.In[0]!.Content)],
            "Squeeze" => [One(Squeeze(op), op.In[0]!.Content)],
            "Gather" => [Gather(op)],
            "GatherElements" => [One(op.In[1]!.Shape)],
            "Concat" => [One(Concat(op), ConcatContent(op))],
            "Slice" => [One(Slice(op), SliceContent(op))],
            "Split" => [.. Split(op, outputs).Select(s => One(s))],
            "Expand" => [One(Expand(op))],
            "Range" => [One([RangeLength(op)])],
            "ConstantOfShape" => [ConstantOfShape(op)],
            "OneHot" => [new(op.In[2]!.Type, OneHot(op))],
            "TopK" => [One(AnyLast(op)), new(DataType.Int64, AnyLast(op))],
            "Tile" => [One(Tile(op))],
            "GatherND" or "ScatterND" or "ScatterElements" or "Pad" or "NonZero" =>
                [new(op.Type == "NonZero" ? DataType.Int64 : TypeOf(op), SameRank(op))],
            _ => null,
        };
    }

    /// <summary>Numpy's broadcasting; null where a rank is unknown.</summary>
    public static Dim[]? Broadcast(IReadOnlyList<Value?> values)
    {
        if (values.Any(v => v?.Shape is null)) return null;
        var result = new Dim[values.Max(v => v!.Rank)];
        for (var i = 0; i < result.Length; i++)
        {
            var known = Dim.Of(1);
            foreach (var v in values)
            {
                var at = i - result.Length + v!.Rank;
                if (at < 0 || v.Shape![at].IsOne) continue;
                var d = v.Shape[at];
                // a size beats a symbol beats nothing: all that are not 1 must be equal
                known = known.IsOne || (known.Size is null && d.Size is not null) || (known.Size is null && known.Symbol is null)
                    ? d
                    : known;
            }
            result[i] = known;
        }
        return result;
    }

    private static Dim[]? MatMul(Dim[]? x, Dim[]? y)
    {
        if (x is null || y is null) return null;
        if (x.Length == 0 || y.Length == 0) return null;
        var left = x.Length == 1 ? [Dim.Of(1), x[0]] : x;
        var right = y.Length == 1 ? [y[0], Dim.Of(1)] : y;
        var batch = Broadcast([new Value("", DataType.Float, left[..^2]), new Value("", DataType.Float, right[..^2])])!;
        return [.. batch, .. x.Length == 1 ? Array.Empty<Dim>() : [left[^2]], .. y.Length == 1 ? Array.Empty<Dim>() : [right[^1]]];
    }

    private static Dim[]? Gemm(Op op)
    {
        if (op.In[0]!.Shape is not { Length: 2 } a || op.In[1]!.Shape is not { Length: 2 } b) return null;
        return [a[op.Int("transA", 0) != 0 ? 1 : 0], b[op.Int("transB", 0) != 0 ? 0 : 1]];
    }

    private static Dim[]? Transpose(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        return op.Ints("perm") is { } perm ? [.. perm.Select(p => x[p])] : [.. x.Reverse()];
    }

    private static Dim[]? Statistics(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        var axis = Axis(op.Int("axis", -1), x.Length);
        return [.. x.Select((d, i) => i < axis ? d : Dim.Of(1))];
    }

    private static Dim[]? Reduce(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        var keep = op.Int("keepdims", 1) != 0;
        if (op.IntsOf("axes", 1) is not { } axes)
        {
            if (op.Has("axes", 1)) return keep ? [.. x.Select(_ => Dim.Unknown)] : null;
            if (op.Int("noop_with_empty_axes", 0) != 0) return x;
            axes = [.. Enumerable.Range(0, x.Length).Select(i => (long)i)];
        }
        var set = axes.Select(a => Axis(a, x.Length)).ToHashSet();
        return keep ? [.. x.Select((d, i) => set.Contains(i) ? Dim.Of(1) : d)] : [.. x.Where((_, i) => !set.Contains(i))];
    }

    private static Dim[]? ReduceAxis(Op op, long axis)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        var a = Axis(axis, x.Length);
        return op.Int("keepdims", 1) != 0 ? [.. x.Select((d, i) => i == a ? Dim.Of(1) : d)] : [.. x.Where((_, i) => i != a)];
    }

    private static Dim[]? OneHot(Op op) =>
        op.In[0]!.Shape is { } x && op.Int("axis", -1) == -1
            ? [.. x, op.In[1]!.Content is [var depth] ? depth : Constants.Scalar(op.In[1]!) is { } n ? Dim.Of((long)n) : Dim.Unknown]
            : null;

    // as many as k says, where it is a constant and the axis the last one
    private static Dim[]? AnyLast(Op op) => op.In[0]!.Shape is { } x ? [.. x[..^1], Dim.Unknown] : null;

    private static Dim[]? SameRank(Op op) => op.Type switch
    {
        "NonZero" => op.In[0]!.Shape is { } n ? [Dim.Of(n.Length), Dim.Unknown] : null,
        "ScatterND" or "ScatterElements" => op.In[0]!.Shape,
        "GatherND" => null,
        "Pad" => Padded(op),
        _ => null,
    };

    private static Dim[]? Tile(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        return op.In[1]!.Content is { } times && times.Length == x.Length
            ? [.. x.Zip(times, (d, n) => n.IsOne ? d : Times(d, n))]
            : [.. x.Select(_ => Dim.Unknown)];
    }

    // in both layouts the result is like the queries, as wide as the values; what is handed on are keys and values by head
    private static Result[] Attention(Op op)
    {
        var type = op.In[0]!.Type;
        if (op.In[0]!.Shape is not { } q || op.In[2]!.Shape is not { } v || q.Length != v.Length) return [new(type, null)];
        if (q.Length != 3) return [new(type, [.. q[..^1], v[^1]]), new(type, op.In[1]!.Shape), new(type, v)];
        long heads = op.Int("q_num_heads", 0), shared = op.Int("kv_num_heads", 0);
        return [new(type, [.. q[..^1], v[^1].Size is { } n && shared > 0 ? Dim.Of(n / shared * heads) : Dim.Unknown])];
    }

    // letter by letter; where there are ellipses, or no result is named, the shape is not known
    private static Dim[]? Einsum(Op op)
    {
        var sides = op.Text("equation", "").Replace(" ", "").Split("->");
        if (sides.Length != 2 || sides[0].Contains('.') || op.In.Any(v => v?.Shape is null)) return null;
        var sizes = new Dictionary<char, Dim>();
        foreach (var (letter, size) in sides[0].Split(',').Zip(op.In).SelectMany(t => t.First.Zip(t.Second!.Shape!)))
        {
            if (!sizes.TryGetValue(letter, out var known) || known.IsOne) sizes[letter] = size;
        }
        return [.. sides[1].Select(letter => sizes[letter])];
    }

    // 0, 1, … up to a length known by name, or any steps between numbers
    private static Dim RangeLength(Op op)
    {
        double? start = Number(op.In[0]!), limit = Number(op.In[1]!), step = Number(op.In[2]!);
        if (start == 0 && step == 1 && op.In[1]!.Content is [var length]) return length;
        return start is { } a && limit is { } b && step is { } by and not 0 && Math.Ceiling((b - a) / by) is var n && n < long.MaxValue
            ? Dim.Of(Math.Max(0, (long)n))
            : Dim.Unknown;
    }

    private static double? Number(Value v) => Constants.Scalar(v) ?? (v.Content is [{ Size: { } n }] ? n : null);

    /// <summary>An axis counted from the front.</summary>
    /// <exception cref="GraphException">A tensor of that rank has none such.</exception>
    public static int Axis(long axis, int rank) => axis >= -rank && axis < rank ? (int)(axis < 0 ? axis + rank : axis)
        : throw new GraphException($"axis {axis} is beyond the {rank} axes of its tensor; export the model again");

    /// <summary>A number of axes, where it is one that a tensor can have.</summary>
    private static int Ranked(long rank) => rank is >= 0 and <= MostAxes
        ? (int)rank
        : throw new GraphException($"a tensor of {rank} axes; {MostAxes} is the most: export the model again");
}
