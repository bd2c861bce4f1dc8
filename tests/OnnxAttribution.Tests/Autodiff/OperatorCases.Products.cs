namespace OnnxAttribution.Tests.Autodiff;

internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Products() => [.. MatMuls(), .. Gemms()];

    private static IEnumerable<OperatorCase> MatMuls() =>
    [
        Case("MatMul: weight on the right", [X(2, 3, 4)], g => g.Weights("W", 4, 5).Node("z = MatMul(x, W)")),
        Case("MatMul: weight on the left", [X(4, 2)], g => g.Weights("W", 3, 4).Node("z = MatMul(W, x)")),
        Case("MatMul: batched weight on the right", [X(2, 3, 4)], g => g.Weights("W", 2, 4, 5).Node("z = MatMul(x, W)")),
        Case("MatMul: two matrices", [X(3, 4), Y(4, 2)], "z = MatMul(x, y)"),
        Case("MatMul: both batched", [X(2, 3, 4), Y(2, 4, 5)], "z = MatMul(x, y)"),
        Case("MatMul: two batch axes", [X(2, 2, 3, 4), Y(2, 2, 4, 3)], "z = MatMul(x, y)"),
        Case("MatMul: right without batch", [X(2, 3, 4), Y(4, 5)], "z = MatMul(x, y)"),
        Case("MatMul: left without batch", [X(3, 4), Y(2, 4, 5)], "z = MatMul(x, y)"),
        Case("MatMul: size-1 batch axes on both sides", [X(2, 1, 3, 4), Y(1, 3, 4, 2)], "z = MatMul(x, y)"),
        Case("MatMul: fewer batch axes on the right, one of size 1", [X(2, 3, 2, 4), Y(1, 4, 2)], "z = MatMul(x, y)"),
        Case("MatMul: left vector", [X(4), Y(4, 3)], "z = MatMul(x, y)"),
        Case("MatMul: right vector", [X(3, 4), Y(4)], "z = MatMul(x, y)"),
        Case("MatMul: left vector, batched right", [X(4), Y(2, 4, 3)], "z = MatMul(x, y)"),
        Case("MatMul: batched left, right vector", [X(2, 3, 4), Y(4)], "z = MatMul(x, y)"),
        Case("MatMul: two vectors", [X(4), Y(4)], "z = MatMul(x, y)"),
        Case("MatMul: a matrix with its own transpose", [X(2, 3, 4)], g => g
            .Node("t = Transpose(x)", ("perm", new[] { 0, 2, 1 }))
            .Node("z = MatMul(x, t)")),
    ];

    private static IEnumerable<OperatorCase> Gemms() =>
    [
        Case("Gemm: weight and bias", [X(2, 3)], g => g.Weights("W", 3, 4).Weights("b", 4).Node("z = Gemm(x, W, b)")),
        Case("Gemm: no bias", [X(2, 3), Y(3, 4)], "z = Gemm(x, y)"),
        Case("Gemm: row bias", [X(2, 3), Y(3, 4), Bias(4)], "z = Gemm(x, y, b)"),
        Case("Gemm: row bias of rank 2", [X(2, 3), Y(3, 4), Bias(1, 4)], "z = Gemm(x, y, b)"),
        Case("Gemm: column bias", [X(2, 3), Y(3, 4), Bias(2, 1)], "z = Gemm(x, y, b)"),
        Case("Gemm: scalar bias", [X(2, 3), Y(3, 4), Bias()], "z = Gemm(x, y, b)"),
        Case("Gemm: full bias", [X(2, 3), Y(3, 4), Bias(2, 4)], "z = Gemm(x, y, b)"),
        Case("Gemm: transA", [X(3, 2), Y(3, 4), Bias(4)], "z = Gemm(x, y, b)", ("transA", 1)),
        Case("Gemm: transB", [X(2, 3), Y(4, 3), Bias(4)], "z = Gemm(x, y, b)", ("transB", 1)),
        Case("Gemm: transA and transB", [X(3, 2), Y(4, 3), Bias(4)], "z = Gemm(x, y, b)", ("transA", 1), ("transB", 1)),
        Case("Gemm: alpha and beta", [X(2, 3), Y(3, 4), Bias(4)], "z = Gemm(x, y, b)", ("alpha", 0.5f), ("beta", -2f)),
        Case("Gemm: alpha, beta, transA and transB", [X(3, 2), Y(4, 3), Bias(2, 1)], "z = Gemm(x, y, b)",
            ("alpha", 1.5f), ("beta", 0.25f), ("transA", 1), ("transB", 1)),
    ];
}
