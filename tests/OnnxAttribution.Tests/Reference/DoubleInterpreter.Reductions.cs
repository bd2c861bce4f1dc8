namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Reductions() => new()
    {
        ["ReduceSum"] = c => [Reduce(c, x => x.Sum())],
        ["ReduceMean"] = c => [Reduce(c, x => x.Average())],
        ["ReduceMax"] = c => [Reduce(c, x => x.Max())],
        ["ReduceMin"] = c => [Reduce(c, x => x.Min())],
        ["ReduceSumSquare"] = c => [Reduce(c, x => x.Sum(a => a * a))],
        ["ReduceL2"] = c => [Reduce(c, x => Math.Sqrt(x.Sum(a => a * a)))],
        ["ReduceLogSumExp"] = c => [Reduce(c, x => Math.Log(x.Sum(Math.Exp)))],
        ["ArgMax"] = c => [ArgMax(c, sign: 1)],
        ["ArgMin"] = c => [ArgMax(c, sign: -1)],
        ["TopK"] = TopK,
    };

    private static DoubleTensor Reduce(OperatorCall c, Func<List<double>, double> fold)
    {
        var x = c[0];
        int[] axes = [.. (c.Ints(1, "axes") ?? []).Select(a => OperatorCall.FromFront(a, x.Rank))];
        if (axes.Length == 0 && c.Flag("noop_with_empty_axes", false)) return x;
        bool Reduced(int axis) => axes.Length == 0 || axes.Contains(axis);
        int[] kept = [.. x.Shape.Select((size, axis) => Reduced(axis) ? 1 : size)];
        var result = DoubleTensor.Zeros(kept);
        List<double>[] groups = [.. result.Data.Select(_ => new List<double>())];
        var index = new int[x.Rank];
        for (var i = 0; i < x.Data.Length; i++, DoubleTensor.Advance(index, x.Shape)) groups[result.Offset(index)].Add(x.Data[i]);
        for (var i = 0; i < groups.Length; i++) result.Data[i] = fold(groups[i]);
        return c.Flag("keepdims", true) ? result : result.Reshape([.. x.Shape.Where((_, axis) => !Reduced(axis))]);
    }

    // of equal entries the first, or the last with select_last_index
    private static DoubleTensor ArgMax(OperatorCall c, int sign)
    {
        var x = c[0];
        var axis = c.Axis(x.Rank, 0);
        var last = c.Flag("select_last_index", false);
        var best = Lanes(x.Shape, axis).Select(lane =>
        {
            double[] values = [.. lane.Select(i => sign * x.Data[i])];
            return (double)(last ? Array.LastIndexOf(values, values.Max()) : Array.IndexOf(values, values.Max()));
        });
        int[] middle = c.Flag("keepdims", true) ? [1] : [];
        return new([.. x.Shape[..axis], .. middle, .. x.Shape[(axis + 1)..]], [.. best]);
    }

    // largest (or smallest) k along the axis, in order; of equal entries the one with the lower index first
    private static DoubleTensor[] TopK(OperatorCall c)
    {
        var x = c[0];
        var axis = c.Axis(x.Rank, -1);
        var k = (int)c[1].Value;
        var sign = c.Flag("largest", true) ? -1 : 1;
        int[] shape = [.. x.Shape[..axis], k, .. x.Shape[(axis + 1)..]];
        var (values, indices) = (DoubleTensor.Zeros(shape), DoubleTensor.Zeros(shape));
        foreach (var (from, to) in Lanes(x.Shape, axis).Zip(Lanes(shape, axis)))
        {
            var order = Enumerable.Range(0, from.Length).OrderBy(i => sign * x.Data[from[i]]).ToArray(); // a stable sort
            for (var i = 0; i < k; i++) (values.Data[to[i]], indices.Data[to[i]]) = (x.Data[from[order[i]]], order[i]);
        }
        return [values, indices];
    }
}
