namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Normalizations() => new()
    {
        ["Softmax"] = c => [AlongAxis(c[0], c.Axis(c[0].Rank, -1), Softmax)],
        ["LogSoftmax"] = c => [AlongAxis(c[0], c.Axis(c[0].Rank, -1), LogSoftmax)],
        ["CumSum"] = c => [AlongAxis(c[0], OperatorCall.FromFront((int)c[1].Value, c[0].Rank),
            lane => CumSum(lane, c.Flag("exclusive", false), c.Flag("reverse", false)))],
        ["LayerNormalization"] = LayerNormalization,
        ["RMSNormalization"] = RmsNormalization,
    };

    private static double[] Softmax(double[] x)
    {
        var max = x.Max();
        var exp = Array.ConvertAll(x, a => Math.Exp(a - max));
        var sum = exp.Sum();
        return Array.ConvertAll(exp, e => e / sum);
    }

    private static double[] LogSoftmax(double[] x)
    {
        var max = x.Max();
        var logSum = Math.Log(x.Sum(a => Math.Exp(a - max)));
        return Array.ConvertAll(x, a => a - max - logSum);
    }

    private static double[] CumSum(double[] x, bool exclusive, bool reverse)
    {
        var result = new double[x.Length];
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++)
        {
            var at = reverse ? x.Length - 1 - i : i;
            result[at] = exclusive ? sum : sum + x[at];
            sum += x[at];
        }
        return result;
    }

    // z = (x − μ)/√(σ² + ε) ∘ scale + bias, with μ and σ² over all axes from axis on
    private static DoubleTensor[] LayerNormalization(OperatorCall c)
    {
        var (x, scale, bias) = (c[0], c[1], c.Optional(2));
        var axis = c.Axis(x.Rank, -1);
        var epsilon = c.Float("epsilon", 1e-5f);
        var n = DoubleTensor.Count(x.Shape[axis..]);
        int[] statistics = [.. x.Shape[..axis], .. Enumerable.Repeat(1, x.Rank - axis)];
        var (mean, inverse) = (DoubleTensor.Zeros(statistics), DoubleTensor.Zeros(statistics));
        for (var row = 0; row < mean.Data.Length; row++)
        {
            var entries = x.Data.AsSpan(row * n, n).ToArray();
            var mu = entries.Sum() / n;
            mean.Data[row] = mu;
            inverse.Data[row] = 1 / Math.Sqrt(entries.Sum(a => (a - mu) * (a - mu)) / n + epsilon);
        }
        var z = DoubleTensor.Tabulate(x.Shape, i => (x.At(i) - mean.At(i)) * inverse.At(i) * scale.At(i) + (bias?.At(i) ?? 0));
        return [z, mean, inverse];
    }

    // z = x/√(mean x² + ε) ∘ scale, with the mean over all axes from axis on
    private static DoubleTensor[] RmsNormalization(OperatorCall c)
    {
        var (x, scale) = (c[0], c[1]);
        var axis = c.Axis(x.Rank, -1);
        var n = DoubleTensor.Count(x.Shape[axis..]);
        var root = DoubleTensor.Zeros([.. x.Shape[..axis], .. Enumerable.Repeat(1, x.Rank - axis)]);
        for (var row = 0; row < root.Data.Length; row++)
        {
            root.Data[row] = Math.Sqrt((x.Data.AsSpan(row * n, n).ToArray().Sum(a => a * a) / n) + c.Float("epsilon", 1e-5f));
        }
        return [DoubleTensor.Tabulate(x.Shape, i => x.At(i) / root.At(i) * scale.At(i))];
    }

    /// <summary>Applies a function of equal length to every line of entries along one axis.</summary>
    private static DoubleTensor AlongAxis(DoubleTensor x, int axis, Func<double[], double[]> f)
    {
        var result = DoubleTensor.Zeros(x.Shape);
        foreach (var lane in Lanes(x.Shape, axis))
        {
            var values = f(Array.ConvertAll(lane, i => x.Data[i]));
            for (var i = 0; i < lane.Length; i++) result.Data[lane[i]] = values[i];
        }
        return result;
    }

    /// <summary>For every line of entries along one axis, in row-major order of the other axes, the positions of its entries.</summary>
    private static IEnumerable<int[]> Lanes(int[] shape, int axis)
    {
        var (outer, n, inner) = (DoubleTensor.Count(shape[..axis]), shape[axis], DoubleTensor.Count(shape[(axis + 1)..]));
        for (var o = 0; o < outer; o++)
        {
            for (var i = 0; i < inner; i++) yield return [.. Enumerable.Range(0, n).Select(j => (o * n + j) * inner + i)];
        }
    }
}
