using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Autodiff;

internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Indexing() => [.. Gathers(), .. Scatters()];

    private static IEnumerable<OperatorCase> Gathers() =>
    [
        Case("Gather: rows", [X(4, 3)], g => g.Ints("i", 2, 0).Node("z = Gather(x, i)")),
        Case("Gather: repeated and negative rows", [X(4, 3)], g => g.Ints("i", 1, 3, 1, -1, 1).Node("z = Gather(x, i)")),
        Case("Gather: a matrix of indices", [X(4, 3)], g => g.Ints("i", [2, 2], 0, 3, 3, 1).Node("z = Gather(x, i)")),
        Case("Gather: axis 1", [X(2, 4, 3)], g => g.Ints("i", 3, 0, 3).Node("z = Gather(x, i)", ("axis", 1))),
        Case("Gather: a matrix of indices in axis 1", [X(2, 4, 3)],
            g => g.Ints("i", [2, 2], 3, 0, 1, 3).Node("z = Gather(x, i)", ("axis", 1))),
        Case("Gather: last axis", [X(2, 3, 4)], g => g.Ints("i", 1, 1, 2).Node("z = Gather(x, i)", ("axis", -1))),
        Case("Gather: scalar index", [X(4, 3)], g => g.Scalar("i", 2L).Node("z = Gather(x, i)")),
        Case("Gather: scalar index in axis 1", [X(2, 4, 3)], g => g.Scalar("i", -1L).Node("z = Gather(x, i)", ("axis", 1))),
        Case("Gather: int32 indices", [X(4, 3)],
            g => g.Ints("long", 3, 0, 3).Node("i = Cast(long)", ("to", DataType.Int32)).Node("z = Gather(x, i)")),
        Case("Gather: from a vector", [X(5)], g => g.Ints("i", 4, 4, 0).Node("z = Gather(x, i)")),
        Case("Gather: at the ArgMax of y", [X(4, 3), Y(Domain.Quarters, 2, 4)], g => g
            .Node("i = ArgMax(y)", ("axis", 1), ("keepdims", 0)).Node("z = Gather(x, i)"), "x"),
        Case("GatherElements: last axis, repeated", [X(2, 4)], g => g
            .Ints("i", [2, 3], 0, 0, 3, 2, 1, -1).Node("z = GatherElements(x, i)", ("axis", 1))),
        Case("GatherElements: first axis, fewer columns", [X(3, 4)], g => g
            .Ints("i", [2, 2], 0, 2, 2, 2).Node("z = GatherElements(x, i)", ("axis", 0))),
        Case("GatherND: single entries", [X(3, 4)], g => g.Ints("i", [3, 2], 0, 1, 2, 3, 0, 1).Node("z = GatherND(x, i)")),
        Case("GatherND: rows", [X(2, 3, 4)], g => g.Ints("i", [2, 2], 0, 1, 1, 2).Node("z = GatherND(x, i)")),
        Case("OneHot: constant indices pick from x", [X(2, 4)], g => g.Ints("i", 1, 3).Scalar("depth", 4L).Floats("values", [2], 0, 1)
            .Node("h = OneHot(i, depth, values)").Node("z = Mul(x, h)")),
    ];

    private static IEnumerable<OperatorCase> Scatters() =>
    [
        Case("ScatterElements: replaces", [X(2, 4), Y(2, 2)], g => g
            .Ints("i", [2, 2], 0, 3, 2, 1).Node("z = ScatterElements(x, i, y)", ("axis", 1))),
        Case("ScatterElements: adds, repeated", [X(2, 4), Y(2, 3)], g => g
            .Ints("i", [2, 3], 0, 0, 3, 2, 1, 2).Node("z = ScatterElements(x, i, y)", ("axis", 1), ("reduction", "add"))),
        Case("ScatterND: replaces rows", [X(4, 3), Y(2, 3)], g => g.Ints("i", [2, 1], 2, 0).Node("z = ScatterND(x, i, y)")),
        Case("ScatterND: adds rows, repeated", [X(4, 3), Y(3, 3)], g => g
            .Ints("i", [3, 1], 2, 0, 2).Node("z = ScatterND(x, i, y)", ("reduction", "add"))),
        Case("ScatterND: replaces single entries", [X(2, 3), Y(2)], g => g.Ints("i", [2, 2], 0, 1, 1, 2).Node("z = ScatterND(x, i, y)")),
    ];
}
