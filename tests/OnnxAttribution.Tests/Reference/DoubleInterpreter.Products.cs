namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Products() => new()
    {
        ["MatMul"] = c => [MatMul(c[0], c[1])],
        ["Gemm"] = c => [Gemm(c)],
    };

    // a vector on the left is a row, on the right a column, and that axis is dropped from the product again
    private static DoubleTensor MatMul(DoubleTensor x, DoubleTensor y)
    {
        var a = x.Rank == 1 ? x.Reshape(1, x.Shape[0]) : x; // [.., n, k]
        var b = y.Rank == 1 ? y.Reshape(y.Shape[0], 1) : y; // [.., k, m]
        var (n, k, m) = (a.Shape[^2], a.Shape[^1], b.Shape[^1]);
        if (b.Shape[^2] != k) throw new ArgumentException($"{k} columns meet {b.Shape[^2]} rows");
        var batch = DoubleTensor.Broadcast(a.Shape[..^2], b.Shape[..^2]);
        var product = DoubleTensor.Tabulate([.. batch, n, m], i =>
        {
            var (row, column) = (a.Offset([.. i[..^2], i[^2], 0]), b.Offset([.. i[..^2], 0, i[^1]]));
            var sum = 0.0;
            for (var j = 0; j < k; j++) sum += a.Data[row + j] * b.Data[column + j * m];
            return sum;
        });
        int[] rows = x.Rank == 1 ? [] : [n], columns = y.Rank == 1 ? [] : [m];
        return product.Reshape([.. batch, .. rows, .. columns]);
    }

    // alpha · A' · B' + beta · C
    private static DoubleTensor Gemm(OperatorCall c)
    {
        var a = c.Flag("transA", false) ? Transpose(c[0], [1, 0]) : c[0];
        var b = c.Flag("transB", false) ? Transpose(c[1], [1, 0]) : c[1];
        var (alpha, beta) = (c.Float("alpha", 1), c.Float("beta", 1));
        var product = MatMul(a, b).Map(x => alpha * x);
        return c.Optional(2) is { } bias ? Zip(product, bias, (x, y) => x + beta * y) : product;
    }
}
