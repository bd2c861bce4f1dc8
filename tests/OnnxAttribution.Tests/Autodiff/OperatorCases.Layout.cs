using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

// An operator that only moves entries has a constant Jacobian; where outputs are joined again they are joined nonlinearly, so that
// a cotangent sent to the wrong place shows.
internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Layout() => [.. Reshapes(), .. Parts(), .. Slices()];

    private static IEnumerable<OperatorCase> Reshapes() =>
    [
        Case("Transpose: matrix by default", [X(2, 3)], "z = Transpose(x)"),
        Case("Transpose: all axes reversed by default", [X(2, 3, 4)], "z = Transpose(x)"),
        Case("Transpose: heads before positions", [X(2, 3, 2, 4)], "z = Transpose(x)", ("perm", new[] { 0, 2, 1, 3 })),
        Case("Transpose: a cycle of three axes", [X(2, 3, 4)], "z = Transpose(x)", ("perm", new[] { 1, 2, 0 })),
        Case("Reshape: zeros keep, -1 fills", [X(2, 3, 2, 2)], g => g.Ints("shape", 0, 0, -1).Node("z = Reshape(x, shape)")),
        Case("Reshape: splits the last axis", [X(2, 3, 4)], g => g.Ints("shape", 0, 0, 2, 2).Node("z = Reshape(x, shape)")),
        Case("Reshape: merges the first axes", [X(2, 3, 4)], g => g.Ints("shape", -1, 4).Node("z = Reshape(x, shape)")),
        Case("Reshape: across axes", [X(3, 4)], g => g.Ints("shape", 2, 6).Node("z = Reshape(x, shape)")),
        Case("Reshape: to the shape of y", [X(3, 4), Y(2, 6)], g => g
            .Node("shape = Shape(y)").Node("r = Reshape(x, shape)").Node("z = Mul(r, y)")),
        Case("Reshape: to a shape put together from parts of x", [X(2, 3, 4)], g => g.Ints("tail", -1)
            .Node("batch = Shape(x)", ("start", 0), ("end", 1))
            .Node("shape = Concat(batch, tail)", ("axis", 0))
            .Node("z = Reshape(x, shape)")),
        Case("Flatten: all but the first axis", [X(2, 3, 2)], "z = Flatten(x)"),
        Case("Flatten: at a negative axis", [X(2, 3, 2)], "z = Flatten(x)", ("axis", -1)),
        Case("Unsqueeze: first axis", [X(2, 3)], g => g.Ints("axes", 0).Node("z = Unsqueeze(x, axes)")),
        Case("Unsqueeze: two axes, one from the back", [X(2, 3)], g => g.Ints("axes", 1, -1).Node("z = Unsqueeze(x, axes)")),
        Case("Squeeze: named axes", [X(2, 1, 3, 1)], g => g.Ints("axes", 1, -1).Node("z = Squeeze(x, axes)")),
        Case("Squeeze: one of two", [X(2, 1, 3, 1)], g => g.Ints("axes", 1).Node("z = Squeeze(x, axes)")),
        Case("Squeeze: every axis of size 1", [X(2, 1, 3, 1)], "z = Squeeze(x)"),
        Case("Expand: new axis in front", [X(2, 3)], g => g.Ints("shape", 4, 2, 3).Node("z = Expand(x, shape)")),
        Case("Expand: axis of size 1", [X(2, 1, 3)], g => g.Ints("shape", 2, 4, 3).Node("z = Expand(x, shape)")),
        Case("Expand: to sizes smaller than x", [X(2, 3)], g => g.Ints("shape", 2, 1, 1).Node("z = Expand(x, shape)")),
        Case("Expand: scalar", [X()], g => g.Ints("shape", 2, 3).Node("z = Expand(x, shape)")),
        Case("Tile: both axes", [X(2, 3)], g => g.Ints("repeats", 2, 3).Node("z = Tile(x, repeats)")),
        Case("Pad: constant zero", [X(2, 3)], g => g.Ints("pads", 1, 0, 0, 2).Node("z = Pad(x, pads)")),
        Case("Pad: one axis, with a value", [X(2, 3)], g => g.Ints("pads", 1, 2).Scalar("value", 3f).Ints("axes", -1)
            .Node("z = Pad(x, pads, value, axes)")),
        Case("Trilu: lower", [X(2, 3, 3)], "z = Trilu(x)", ("upper", 0)),
        Case("Trilu: upper, above the diagonal", [X(3, 4)], g => g.Scalar("k", 1L).Node("z = Trilu(x, k)")),
    ];

    private static IEnumerable<OperatorCase> Parts() =>
    [
        Case("Split: two equal parts, multiplied", [X(2, 4)], g => g
            .Node("a, b = Split(x)", ("axis", 1), ("num_outputs", 2)).Node("z = Mul(a, b)")),
        Case("Split: three equal parts of the last axis", [X(2, 2, 6)], g => g
            .Node("q, k, v = Split(x)", ("axis", -1), ("num_outputs", 3)).Node("e = Exp(q)").Node("m = Mul(e, k)").Node("z = Mul(m, v)")),
        Case("Split: sizes", [X(2, 5)], g => g.Ints("sizes", 2, 1, 2)
            .Node("a, b, c = Split(x, sizes)", ("axis", 1)).Node("m = Mul(a, c)").Node("e = Exp(b)").Node("z = Mul(m, e)")),
        Case("Split: first axis by default, one part unused", [X(4, 3)], g => g.Ints("sizes", 1, 2, 1)
            .Node("a, b, c = Split(x, sizes)").Node("z = Mul(a, b)")),
        Case("Split: parts that do not divide", [X(2, 5)], g => g
            .Node("a, b, c = Split(x)", ("axis", 1), ("num_outputs", 3)).Node("m = Mul(a, b)").Node("z = Mul(m, c)")),
        Case("Concat: last axis", [X(2, 3), Y(2, 2)], "z = Concat(x, y)", ("axis", -1)),
        Case("Concat: first axis, with a constant", [X(2, 3), Y(1, 3)], g => g.Weights("c", 2, 3).Node("z = Concat(x, c, y)", ("axis", 0))),
        Case("Concat: middle axis, x twice", [X(2, 2, 3), Y(2, 1, 3)], "z = Concat(x, y, x)", ("axis", 1)),
        Case("Concat: halves swapped, as rotary does", [X(2, 4)], g => g
            .Node("a, b = Split(x)", ("axis", 1), ("num_outputs", 2)).Node("n = Neg(b)")
            .Node("r = Concat(n, a)", ("axis", -1)).Node("z = Mul(x, r)")),
    ];

    private static IEnumerable<OperatorCase> Slices() =>
    [
        Case("Slice: first axes by default", [X(3, 4)], g => Slice(g, [1, 0], [3, 2])),
        Case("Slice: last axis", [X(2, 5)], g => Slice(g, [1], [4], axes: [-1])),
        Case("Slice: to the end", [X(2, 5)], g => Slice(g, [2], [long.MaxValue], axes: [1])),
        Case("Slice: negative start and end", [X(2, 5)], g => Slice(g, [-4], [-1], axes: [1])),
        Case("Slice: every second", [X(2, 5)], g => Slice(g, [0], [5], axes: [1], steps: [2])),
        Case("Slice: every second from the second, to before the last", [X(2, 6)], g => Slice(g, [1], [-1], axes: [1], steps: [2])),
        Case("Slice: backwards", [X(2, 5)], g => Slice(g, [-1], [long.MinValue], axes: [1], steps: [-1])),
        Case("Slice: backwards, every second", [X(2, 5)], g => Slice(g, [3], [0], axes: [1], steps: [-2])),
        Case("Slice: two axes of a batch", [X(2, 3, 4)], g => Slice(g, [1, -2], [3, 4], axes: [1, 2], steps: [1, 1])),
        Case("Slice: as long as y, every y-th, both computed", [X(2, 5), Y(2, 5)], g => g.Ints("starts", 1).Ints("axes", 1)
            .Node("steps = Shape(y)", ("end", 1)).Node("ends = Shape(y)", ("start", 1)).Node("z = Slice(x, starts, ends, axes, steps)"),
            "x"),
        Case("Slice: last position, as logits are read", [X(2, 3, 4)], g => Slice(g, [-1], [long.MaxValue], axes: [1])),
    ];

    private static GraphSketch Slice(GraphSketch g, long[] starts, long[] ends, long[]? axes = null, long[]? steps = null)
    {
        g.Ints("starts", starts).Ints("ends", ends);
        var inputs = "x, starts, ends";
        if (axes is not null) (g, inputs) = (g.Ints("axes", axes), inputs + ", axes");
        if (steps is not null) (g, inputs) = (g.Ints("steps", steps), inputs + ", steps");
        return g.Node($"z = Slice({inputs})");
    }
}
