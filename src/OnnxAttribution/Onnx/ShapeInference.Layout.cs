using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

internal static partial class ShapeInference
{
    private const int LongestSymbol = 256;

    private static Result ShapeOf(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return new(DataType.Int64, [Dim.Unknown]);
        int start = Clamp(op.Int("start", 0), x.Length), end = Clamp(op.Int("end", x.Length), x.Length);
        var content = x[start..Math.Max(start, end)];
        return new(DataType.Int64, [Dim.Of(content.Length)], content);
    }

    private static int Clamp(long i, int n) => (int)Math.Clamp(i < 0 ? i + n : i, 0, n);

    private static Dim[]? Reshape(Op op)
    {
        if (op.In[1]!.Content is not { } target)
        {
            return op.In[1]!.Shape is [{ Size: { } rank }] ? [.. Enumerable.Repeat(Dim.Unknown, Ranked(rank))] : null;
        }
        var x = op.In[0]!.Shape;
        var copies = op.Int("allowzero", 0) == 0;
        var result = target.Select((d, i) => d.Size == 0 && copies ? x is not null && i < x.Length ? x[i] : Dim.Unknown : d).ToArray();
        var open = Array.FindIndex(result, d => d.Size == -1);
        if (open < 0) return result;
        result[open] = x is null ? Dim.Unknown : Remainder(x, result, open);
        return result;
    }

    // what -1 stands for: equal symbols cancel, sizes divide; anything else stays unknown
    private static Dim Remainder(Dim[] from, Dim[] to, int open)
    {
        var symbols = from.Where(d => d.Size is null).ToList();
        var sizes = from.Where(d => d.Size is not null).Aggregate(1L, (p, d) => checked(p * d.Size!.Value));
        for (var i = 0; i < to.Length; i++)
        {
            if (i == open) continue;
            if (to[i].Size is { } n)
            {
                if (n <= 0 || sizes % n != 0) return Dim.Unknown;
                sizes /= n;
            }
            else if (!symbols.Remove(to[i]))
            {
                return Dim.Unknown;
            }
        }
        if (symbols.Count == 0) return Dim.Of(sizes);
        if (symbols.Any(d => d.Symbol is null)) return Dim.Unknown;
        // a product of axes keeps their names: 12*position*rows
        return Named(symbols.Select(d => d.Symbol!), sizes);
    }

    private static Dim[]? Flatten(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        var axis = op.Int("axis", 1) is var given && given == x.Length ? x.Length : Axis(given, x.Length);
        return [Remainder(x[..axis], [Dim.Of(-1)], 0), Remainder(x[axis..], [Dim.Of(-1)], 0)];
    }

    private static Dim[]? Unsqueeze(Op op)
    {
        if (op.In[0]!.Shape is not { } x || op.IntsOf("axes", 1) is not { } axes) return null;
        var rank = Ranked(x.Length + axes.Length);
        var set = axes.Select(a => Axis(a, rank)).ToHashSet();
        var rest = new Queue<Dim>(x);
        return [.. Enumerable.Range(0, rank).Select(i => set.Contains(i) ? Dim.Of(1) : rest.Dequeue())];
    }

    private static Dim[]? Squeeze(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        if (op.IntsOf("axes", 1) is not { } axes) return x.All(d => d.Size is not null) ? [.. x.Where(d => !d.IsOne)] : null;
        var set = axes.Select(a => Axis(a, x.Length)).ToHashSet();
        return [.. x.Where((_, i) => !set.Contains(i))];
    }

    private static Result Gather(Op op)
    {
        var type = op.In[0]!.Type;
        if (op.In[0]!.Shape is not { } x || op.In[1]!.Shape is not { } indices) return new(type, null);
        var axis = Axis(op.Int("axis", 0), x.Length);
        Dim[]? content = op.In[0]!.Content is { } c && Dims(indices) is <= MostContent && Constants.Integers(op.In[1]!) is { } at
            ? [.. at.Select(i => c[i < 0 ? i + c.Length : i])]
            : null;
        return new(type, [.. x[..axis], .. indices, .. x[(axis + 1)..]], content);
    }

    private static Dim[]? Concat(Op op)
    {
        if (op.In.Any(v => v!.Shape is null)) return null;
        var result = (Dim[])op.In[0]!.Shape!.Clone();
        var axis = Axis(op.Int("axis", 0), result.Length);
        var sizes = op.In.Select(v => v!.Shape![axis]).Where(d => d.Size != 0).ToList();
        result[axis] = sizes.Count == 1 ? sizes[0]
            : sizes.All(d => d.Size is not null) ? Dim.Of(sizes.Sum(d => d.Size!.Value))
            : Dim.Unknown;
        return result;
    }

    private static Dim[]? ConcatContent(Op op) =>
        op.In.All(v => v!.Content is not null) && op.In.Sum(v => v!.Content!.Length) <= MostContent
            ? [.. op.In.SelectMany(v => v!.Content!)]
            : null;

    // entries of a tensor of which all sizes are known
    private static long? Dims(Dim[] shape) =>
        shape.All(d => d.Size is not null) ? shape.Aggregate(1L, (n, d) => checked(n * d.Size!.Value)) : null;

    private static Dim[]? Slice(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        if (op.IntsOf("axes", 3) is not { } axes)
        {
            if (op.Has("axes", 3)) return [.. x.Select(_ => Dim.Unknown)];
            axes = [.. Enumerable.Range(0, x.Length).Select(i => (long)i)];
        }
        var starts = op.IntsOf("starts", 1);
        var ends = op.IntsOf("ends", 2);
        var steps = op.Has("steps", 4) ? op.IntsOf("steps", 4) : [.. axes.Select(_ => 1L)];
        var result = (Dim[])x.Clone();
        for (var i = 0; i < axes.Length; i++)
        {
            var axis = Axis(axes[i], x.Length);
            result[axis] = starts is not null && steps is not null && ends is not null && x[axis].Size is { } n
                ? Dim.Of(SliceLength(n, starts[i], ends[i], steps[i]))
                : starts?[i] == 0 && steps?[i] == 1 && ends?[i] >= int.MaxValue ? x[axis]
                // from 0 up to a length that is known by name: that length
                : starts?[i] == 0 && steps?[i] == 1 && op.In.Count > 2 && op.In[2]?.Content is { } to && to[i].Symbol is not null ? to[i]
                : Dim.Unknown;
        }
        return result;
    }

    internal static long SliceLength(long n, long start, long end, long step)
    {
        var (low, high) = step > 0 ? (0L, n) : (-1L, n - 1);
        var from = Math.Clamp(start < 0 ? start + n : start, Math.Max(low, 0), high);
        var to = Math.Clamp(end < 0 && end > long.MinValue / 2 ? end + n : end, low, high < 0 ? 0 : step > 0 ? n : n - 1);
        return Math.Max(0, (to - from + step - Math.Sign(step)) / step);
    }

    private static Dim[]? SliceContent(Op op)
    {
        if (op.In[0]!.Content is not { } c || op.IntsOf("starts", 1) is not [var start] || op.IntsOf("ends", 2) is not [var end]
            || op.Has("steps", 4))
        {
            return null;
        }
        int from = Clamp(start, c.Length), to = Clamp(end, c.Length);
        return c[from..Math.Max(from, to)];
    }

    private static Dim[]?[] Split(Op op, int outputs)
    {
        if (op.In[0]!.Shape is not { } x) return new Dim[]?[outputs];
        var axis = Axis(op.Int("axis", 0), x.Length);
        var sizes = op.IntsOf("split", 1);
        if (sizes is null && !op.Has("split", 1) && x[axis].Size is { } n)
        {
            var each = (n + outputs - 1) / outputs;
            sizes = [.. Enumerable.Range(0, outputs).Select(i => Math.Min(each, n - (i * each)))];
        }
        return [.. Enumerable.Range(0, outputs).Select(i =>
        {
            var part = (Dim[])x.Clone();
            part[axis] = sizes is null ? Dim.Unknown : Dim.Of(sizes[i]);
            return part;
        })];
    }

    // an axis that nothing is added to keeps its name
    private static Dim[]? Padded(Op op)
    {
        if (op.In[0]!.Shape is not { } x) return null;
        if (op.IntsOf("pads", 1) is not { } pads || op.Has("axes", 3) || pads.Length != 2 * x.Length)
        {
            return [.. x.Select(_ => Dim.Unknown)];
        }
        return [.. x.Select((d, i) =>
            pads[i] + pads[i + x.Length] is var added && added == 0 ? d : d.Size is { } n ? Dim.Of(n + added) : Dim.Unknown)];
    }

    private static Dim[]? Expand(Op op)
    {
        if (op.In[0]!.Shape is null) return null;
        if (op.In[1]!.Content is { } target) return Broadcast([op.In[0], new Value("", DataType.Float, target)]);
        return op.In[1]!.Shape is [{ Size: { } rank }] ? [.. Enumerable.Repeat(Dim.Unknown, Ranked(Math.Max(rank, op.In[0]!.Rank)))] : null;
    }

    // sizes computed from sizes: enough for the shape arithmetic that exporters write
    private static Dim[]? Arithmetic(Op op) => EachContent(op, 0, 1, (a, b) => (op.Type, a.Size, b.Size) switch
    {
        ("Add", { } m, { } n) => Whole((Int128)m + n),
        ("Sub", { } m, { } n) => Whole((Int128)m - n),
        ("Mul", { } m, { } n) => Whole((Int128)m * n),
        ("Div", { } m, { } n) when n != 0 => Whole((Int128)m / n),
        ("Max", { } m, { } n) => Dim.Of(Math.Max(m, n)),
        ("Min", { } m, { } n) => Dim.Of(Math.Min(m, n)),
        ("Mul" or "Div", null, 1) or ("Add" or "Sub", null, 0) => a,
        ("Mul", 1, null) or ("Add", 0, null) => b,
        ("Sub", null, null) when a.Equals(b) => Dim.Of(0),
        ("Mul", _, _) => Product(a, b),
        _ => Dim.Unknown,
    });

    // 1 or 0 where sizes tell; a named axis is no negative size
    private static Dim[]? Comparison(Op op) => op.Type != "Equal" ? null : EachContent(op, 0, 1, (a, b) => (a.Size, b.Size) switch
    {
        ({ } m, { } n) => Dim.Of(m == n ? 1 : 0),
        (null, < 0) when a.Symbol is not null => Dim.Of(0),
        ( < 0, null) when b.Symbol is not null => Dim.Of(0),
        (null, null) when a.Equals(b) => Dim.Of(1),
        _ => Dim.Unknown,
    });

    private static Dim[]? Choice(Op op)
    {
        if (op.In[0]?.Content is not { } condition || EachContent(op, 1, 2, (a, b) => a) is not { } x
            || EachContent(op, 1, 2, (a, b) => b) is not { } y)
        {
            return null;
        }
        if (x.Length != condition.Length) return null;
        return [.. condition.Select((c, i) => c.Size is { } n ? n != 0 ? x[i] : y[i] : x[i].Equals(y[i]) ? x[i] : Dim.Unknown)];
    }

    private static Dim[]? EachContent(Op op, int left, int right, Func<Dim, Dim, Dim> each)
    {
        if (op.In[left]?.Content is not { } x || op.In[right]?.Content is not { } y) return null;
        var n = Math.Max(x.Length, y.Length);
        if ((x.Length != n && x.Length != 1) || (y.Length != n && y.Length != 1)) return null;
        return [.. Enumerable.Range(0, n).Select(i => each(x[x.Length == 1 ? 0 : i], y[y.Length == 1 ? 0 : i]))];
    }

    private static Dim Whole(Int128 n) => n >= long.MinValue && n <= long.MaxValue ? Dim.Of((long)n) : Dim.Unknown;

    // the size of an axis so many times
    private static Dim Times(Dim a, Dim b) => a.Size is { } m && b.Size is { } n ? Whole((Int128)m * n) : Product(a, b);

    private static Dim Product(Dim a, Dim b)
    {
        if ((a.Size is null && a.Symbol is null) || (b.Size is null && b.Symbol is null) || a.Size < 0 || b.Size < 0) return Dim.Unknown;
        Int128 size = 1;
        var symbols = new List<string>();
        foreach (var factor in new[] { a, b }.SelectMany(d => d.ToString().Split('*')))
        {
            if (long.TryParse(factor, out var n)) size *= n;
            else symbols.Add(factor);
            if (size > long.MaxValue) return Dim.Unknown;
        }
        return Named(symbols, (long)size);
    }

    // 12*position*rows; a product of many axes is none that a model has
    private static Dim Named(IEnumerable<string> symbols, long size)
    {
        var name = string.Join('*', symbols.Order().Prepend(size.ToString()).Where(n => n != "1"));
        return name.Length <= LongestSymbol ? Dim.Named(name) : Dim.Unknown;
    }

    private static Result ConstantOfShape(Op op)
    {
        var type = op.Attributes.TryGetValue("value", out var v) ? (DataType)v.T.DataType : DataType.Float;
        Dim[]? content = type == DataType.Int64 && op.In[0]!.Content is [{ Size: { } n and <= 16 }]
            && Constants.Scalar(new Value("", type, null) { Initializer = v!.T }) is { } value
            ? [.. Enumerable.Repeat(Dim.Of((long)value), (int)n)] : null;
        return new(type, op.In[0]!.Content, content);
    }
}
