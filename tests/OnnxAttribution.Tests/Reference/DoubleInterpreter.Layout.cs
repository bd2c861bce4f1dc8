namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Layout() => new()
    {
        ["Transpose"] = c => [Transpose(c[0], c.Ints("perm") ?? [.. Enumerable.Range(0, c[0].Rank).Reverse()])],
        ["Reshape"] = c => [c[0].Reshape(ReshapeShape(c[0], c[1].ToInts(), c.Flag("allowzero", false)))],
        ["Flatten"] = c => [Flatten(c[0], c.Int("axis", 1))],
        ["Unsqueeze"] = c => [Unsqueeze(c[0], c.Ints(1, "axes")!)],
        ["Squeeze"] = c => [Squeeze(c[0], c.Ints(1, "axes"))],
        ["Expand"] = c => [DoubleTensor.Tabulate(DoubleTensor.Broadcast(c[0].Shape, c[1].ToInts()), i => c[0].At(i))],
        ["Tile"] = c => [Tile(c[0], c[1].ToInts())],
        ["Pad"] = c => [Pad(c)],
        ["Concat"] = c => [Concat(c)],
        ["Split"] = Split,
        ["Slice"] = c => [Slice(c)],
        ["Trilu"] = c => [Trilu(c[0], (int)(c.Optional(1)?.Value ?? 0), c.Flag("upper", true))],
    };

    // output axis j is input axis perm[j]
    private static DoubleTensor Transpose(DoubleTensor x, int[] perm)
    {
        var source = new int[x.Rank];
        return DoubleTensor.Tabulate(Array.ConvertAll(perm, axis => x.Shape[axis]), i =>
        {
            for (var j = 0; j < perm.Length; j++) source[perm[j]] = i[j];
            return x.At(source);
        });
    }

    // 0 keeps the input's size (unless allowzero), −1 is what the other sizes leave
    private static int[] ReshapeShape(DoubleTensor x, int[] target, bool allowZero)
    {
        int[] shape = [.. target.Select((size, axis) => size == 0 && !allowZero ? x.Shape[axis] : size)];
        var free = Array.IndexOf(shape, -1);
        if (free >= 0) shape[free] = x.Data.Length / DoubleTensor.Count([.. shape.Where(size => size != -1)]);
        return shape;
    }

    private static DoubleTensor Flatten(DoubleTensor x, int axis)
    {
        var split = axis < 0 ? axis + x.Rank : axis; // axis may be the rank itself
        return x.Reshape(DoubleTensor.Count(x.Shape[..split]), DoubleTensor.Count(x.Shape[split..]));
    }

    private static DoubleTensor Unsqueeze(DoubleTensor x, int[] axes)
    {
        var rank = x.Rank + axes.Length;
        int[] added = [.. axes.Select(a => OperatorCall.FromFront(a, rank))];
        var sizes = new Queue<int>(x.Shape);
        return x.Reshape([.. Enumerable.Range(0, rank).Select(axis => added.Contains(axis) ? 1 : sizes.Dequeue())]);
    }

    private static DoubleTensor Squeeze(DoubleTensor x, int[]? axes)
    {
        int[]? dropped = axes is null ? null : [.. axes.Select(a => OperatorCall.FromFront(a, x.Rank))];
        return x.Reshape([.. x.Shape.Where((size, axis) => !(dropped?.Contains(axis) ?? size == 1))]);
    }

    private static DoubleTensor Tile(DoubleTensor x, int[] repeats) =>
        DoubleTensor.Tabulate([.. x.Shape.Zip(repeats, (size, r) => size * r)], i => x.At([.. i.Zip(x.Shape, (at, size) => at % size)]));

    // pads = all starts, then all ends, of the axes named (or of all); a negative pad crops
    private static DoubleTensor Pad(OperatorCall c)
    {
        if (c.Text("mode", "constant") is not "constant" and var mode)
        {
            throw new NotSupportedException($"Pad with mode '{mode}' is not in the reference interpreter.");
        }
        var (x, pads, value) = (c[0], c[1].ToInts(), c.Optional(2)?.Value ?? 0);
        int[] axes = [.. (c.Optional(3)?.ToInts() ?? Enumerable.Range(0, x.Rank)).Select(a => OperatorCall.FromFront(a, x.Rank))];
        var (before, shape) = (new int[x.Rank], x.Shape.ToArray());
        for (var j = 0; j < axes.Length; j++)
        {
            before[axes[j]] = pads[j];
            shape[axes[j]] += pads[j] + pads[j + axes.Length];
        }
        return DoubleTensor.Tabulate(shape, i =>
        {
            int[] source = [.. i.Zip(before, (at, b) => at - b)];
            return source.Zip(x.Shape).All(p => p.First >= 0 && p.First < p.Second) ? x.At(source) : value;
        });
    }

    private static DoubleTensor Concat(OperatorCall c)
    {
        DoubleTensor[] parts = [.. Enumerable.Range(0, c.InputCount).Select(i => c[i])];
        var axis = c.Axis(parts[0].Rank, 0);
        var shape = parts[0].Shape.ToArray();
        shape[axis] = parts.Sum(p => p.Shape[axis]);
        return DoubleTensor.Tabulate(shape, i =>
        {
            var (part, at) = (0, i[axis]);
            while (at >= parts[part].Shape[axis]) at -= parts[part++].Shape[axis];
            return parts[part].Data[RowMajor(parts[part].Shape, [.. i[..axis], at, .. i[(axis + 1)..]])];
        });
    }

    private static DoubleTensor[] Split(OperatorCall c)
    {
        var x = c[0];
        var axis = c.Axis(x.Rank, 0);
        var outputs = c.Int("num_outputs", c.OutputCount);
        var chunk = (x.Shape[axis] + outputs - 1) / outputs; // the last part is smaller where the axis does not divide
        var sizes = c.Ints(1, "split") ?? [.. Enumerable.Range(0, outputs).Select(o => Math.Min(chunk, x.Shape[axis] - o * chunk))];
        var start = 0;
        return [.. sizes.Select(size =>
        {
            var first = start;
            start += size;
            return DoubleTensor.Tabulate([.. x.Shape[..axis], size, .. x.Shape[(axis + 1)..]],
                i => x.Data[RowMajor(x.Shape, [.. i[..axis], first + i[axis], .. i[(axis + 1)..]])]);
        })];
    }

    // starts and ends count from the back where negative, then are clamped to the axis; a negative step walks backwards
    private static DoubleTensor Slice(OperatorCall c)
    {
        var (x, starts, ends) = (c[0], c[1].ToInts(), c[2].ToInts());
        var axes = c.Optional(3)?.ToInts() ?? [.. Enumerable.Range(0, starts.Length)];
        var steps = c.Optional(4)?.ToInts() ?? [.. Enumerable.Repeat(1, starts.Length)];
        int[] first = new int[x.Rank], stride = [.. Enumerable.Repeat(1, x.Rank)], shape = [.. x.Shape];
        for (var j = 0; j < axes.Length; j++)
        {
            var (axis, step) = (OperatorCall.FromFront(axes[j], x.Rank), steps[j]);
            var n = x.Shape[axis];
            var (low, high) = step > 0 ? (0, n) : (-1, n - 1);
            var start = Math.Clamp(starts[j] < 0 ? starts[j] + n : starts[j], 0, step > 0 ? n : Math.Max(n - 1, 0));
            var end = Math.Clamp(ends[j] < 0 ? ends[j] + n : ends[j], low, high);
            (first[axis], stride[axis]) = (start, step);
            shape[axis] = Math.Max(0, (int)Math.Ceiling((end - start) / (double)step));
        }
        return DoubleTensor.Tabulate(shape, i => x.Data[RowMajor(x.Shape, [.. i.Select((at, axis) => first[axis] + at * stride[axis])])]);
    }

    private static DoubleTensor Trilu(DoubleTensor x, int k, bool upper) =>
        DoubleTensor.Tabulate(x.Shape, i => (upper ? i[^1] - i[^2] >= k : i[^1] - i[^2] <= k) ? x.At(i) : 0);

    /// <summary>The position of an entry of the shape itself: no size-1 axis is repeated and no index may leave the shape.</summary>
    private static int RowMajor(int[] shape, int[] index)
    {
        var offset = 0;
        for (var axis = 0; axis < shape.Length; axis++)
        {
            offset = index[axis] >= 0 && index[axis] < shape[axis] ? offset * shape[axis] + index[axis]
                : throw new IndexOutOfRangeException($"index {index[axis]} is outside axis {axis} of size {shape[axis]}");
        }

        return offset;
    }
}
