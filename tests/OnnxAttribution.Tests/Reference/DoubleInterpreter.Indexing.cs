namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Indexing() => new()
    {
        ["Gather"] = c => [Gather(c[0], c[1], c.Axis(c[0].Rank, 0))],
        ["GatherElements"] = c => [GatherElements(c[0], c[1], c.Axis(c[0].Rank, 0))],
        ["GatherND"] = c => [GatherND(c)],
        ["ScatterElements"] = c => [ScatterElements(c[0], c[1], c[2], c.Axis(c[0].Rank, 0), Reduction(c))],
        ["ScatterND"] = c => [ScatterND(c[0], c[1], c[2], Reduction(c))],
        ["OneHot"] = c => [OneHot(c)],
        ["NonZero"] = c => [NonZero(c[0])],
    };

    // z[a.., i.., b..] = x[a.., indices[i..], b..]
    private static DoubleTensor Gather(DoubleTensor x, DoubleTensor indices, int axis)
    {
        var (shape, inner) = (x.Shape, indices.Rank);
        return DoubleTensor.Tabulate([.. shape[..axis], .. indices.Shape, .. shape[(axis + 1)..]], i =>
        {
            var at = FromFront(indices.At(i[axis..(axis + inner)]), shape[axis]);
            return x.Data[RowMajor(shape, [.. i[..axis], at, .. i[(axis + inner)..]])];
        });
    }

    // z[i] = x[i with axis replaced by indices[i]]
    private static DoubleTensor GatherElements(DoubleTensor x, DoubleTensor indices, int axis) =>
        DoubleTensor.Tabulate(indices.Shape, i => x.Data[ReplacedAxis(x, indices, i, axis)]);

    private static DoubleTensor GatherND(OperatorCall c)
    {
        if (c.Int("batch_dims", 0) != 0) throw new NotSupportedException("GatherND with batch_dims is not in the reference interpreter.");
        var (x, indices) = (c[0], c[1]);
        var depth = indices.Shape[^1];
        return DoubleTensor.Tabulate([.. indices.Shape[..^1], .. x.Shape[depth..]],
            i => x.Data[Addressed(x, indices, prefix: i[..(indices.Rank - 1)], suffix: i[(indices.Rank - 1)..])]);
    }

    private static DoubleTensor ScatterElements(
        DoubleTensor x, DoubleTensor indices, DoubleTensor updates, int axis, Func<double, double, double> reduce)
    {
        var result = x.Map(a => a);
        var index = new int[x.Rank];
        for (var u = 0; u < updates.Data.Length; u++, DoubleTensor.Advance(index, indices.Shape))
        {
            var at = ReplacedAxis(x, indices, index, axis);
            result.Data[at] = reduce(result.Data[at], updates.Data[u]);
        }
        return result;
    }

    // the last axis of indices addresses the leading axes of x; updates = [indices without that axis, the rest of x]
    private static DoubleTensor ScatterND(DoubleTensor x, DoubleTensor indices, DoubleTensor updates, Func<double, double, double> reduce)
    {
        var result = x.Map(a => a);
        var index = new int[updates.Rank];
        var outer = indices.Rank - 1;
        for (var u = 0; u < updates.Data.Length; u++, DoubleTensor.Advance(index, updates.Shape))
        {
            var at = Addressed(x, indices, prefix: index[..outer], suffix: index[outer..]);
            result.Data[at] = reduce(result.Data[at], updates.Data[u]);
        }
        return result;
    }

    private static Func<double, double, double> Reduction(OperatorCall c) => c.Text("reduction", "none") switch
    {
        "none" => (_, update) => update,
        "add" => (old, update) => old + update,
        "mul" => (old, update) => old * update,
        "max" => Math.Max,
        "min" => Math.Min,
        var other => throw new NotSupportedException($"{c.Operator} with reduction '{other}' is not in the reference interpreter."),
    };

    // values = [off, on]; an index outside [−depth, depth) leaves its line off
    private static DoubleTensor OneHot(OperatorCall c)
    {
        var (indices, depth, off, on) = (c[0], (int)c[1].Value, c[2].Data[0], c[2].Data[1]);
        var axis = c.Axis(indices.Rank + 1, -1);
        return DoubleTensor.Tabulate([.. indices.Shape[..axis], depth, .. indices.Shape[axis..]], i =>
        {
            var hot = indices.At([.. i[..axis], .. i[(axis + 1)..]]);
            return (hot < 0 ? hot + depth : hot) == i[axis] ? on : off;
        });
    }

    // [rank, count]: the indices of the entries that are not 0, in row-major order
    private static DoubleTensor NonZero(DoubleTensor x)
    {
        var found = new List<int[]>();
        var index = new int[x.Rank];
        for (var i = 0; i < x.Data.Length; i++, DoubleTensor.Advance(index, x.Shape))
        {
            if (x.Data[i] != 0) found.Add([.. index]);
        }

        return DoubleTensor.Tabulate([x.Rank, found.Count], i => found[i[1]][i[0]]);
    }

    private static int ReplacedAxis(DoubleTensor x, DoubleTensor indices, int[] i, int axis)
    {
        int[] at = [.. i];
        at[axis] = FromFront(indices.Data[RowMajor(indices.Shape, i)], x.Shape[axis]);
        return RowMajor(x.Shape, at);
    }

    private static int Addressed(DoubleTensor x, DoubleTensor indices, int[] prefix, int[] suffix)
    {
        var leading = Enumerable.Range(0, indices.Shape[^1])
            .Select(axis => FromFront(indices.Data[RowMajor(indices.Shape, [.. prefix, axis])], x.Shape[axis]));
        return RowMajor(x.Shape, [.. leading, .. suffix]);
    }

    private static int FromFront(double index, int size) => (int)(index < 0 ? index + size : index);
}
