using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>Small files that ask for memory or work without end:
/// each is refused at the operator that asks for it, before anything is computed.</summary>
public sealed class HostileSizesTests
{
    [Theory]
    [InlineData("k = ConstantOfShape(s)", "ConstantOfShape 'node ")]
    [InlineData("k = Expand(one, s)", "Expand 'node ")]
    [InlineData("k = Tile(one2, s)", "Tile 'node ")]
    [InlineData("k = Range(a, b, c)", "Range 'node ")]
    [InlineData("k = OneHot(c1, b, two)", "OneHot 'node ")]
    [InlineData("k = Pad(one2, pads)", "Pad 'node ")]
    [InlineData("k = Gather(one, g)", "Gather 'node ")]
    public void Constants_that_are_made_by_the_terabyte_are_refused(string node, string named)
    {
        using var model = new SketchedModel(g => HostileGraphTests.Numbers(g).Node("g = ConstantOfShape(s)", ("value", Zero())).Node(node)
            .Node("kf = Cast(k)", ("to", DataType.Float)).Node("r = ReduceSum(kf)", ("keepdims", 0)).Node("y = Add(x, r)"));
        if (!node.Contains("Gather")) model.Model.Graph.Node.Remove(model.Node("g"));
        model.Refused(node.Contains("Gather") ? "ConstantOfShape 'node " : named, "makes too much out of constants", "is the most here");
    }

    [Fact]
    public void Constants_that_double_are_refused_where_the_sum_is_too_much()
    {
        using var model = new SketchedModel(g =>
        {
            g.Weights("c0", 8, 8);
            for (var i = 0; i < 40; i++) g.Node($"c{i + 1} = Concat(c{i}, c{i})", ("axis", 0));
            return g.Node("r = ReduceSum(c40)", ("keepdims", 0)).Node("y = Add(x, r)");
        });
        model.Refused("Concat 'node ", "makes too much out of constants");
    }

    [Theory]
    [InlineData("big = Expand(x4, shape)")]
    [InlineData("big = Tile(x4, times)")]
    public void What_is_made_of_the_tokens_may_not_grow_without_end(string node)
    {
        using var model = new SketchedModel(g =>
            g.Ints("shape", 1, 1, 8, 1L << 32).Ints("times", 1, 1, 1, 1L << 32).Ints("three", 3).Node("x4 = Unsqueeze(x, three)").Node(node)
                .Node("y = ReduceMean(big, three)", ("keepdims", 0)));
        model.Refused(" 'node ", "makes too much", "at one time");
    }

    [Fact]
    public void Tensors_that_are_needed_at_one_time_count_together()
    {
        using var model = new SketchedModel(g =>
        {
            g.Ints("shape", 1, 1, 8, 1L << 14).Ints("three", 3).Node("x4 = Unsqueeze(x, three)");
            for (var i = 0; i < 30; i++) g.Node($"b{i} = Expand(x4, shape)");
            return g.Node($"all = Sum({string.Join(", ", Enumerable.Range(0, 30).Select(i => $"b{i}"))})")
                .Node("y = ReduceMean(all, three)", ("keepdims", 0));
        });
        model.Refused("makes too much", "1,024 MiB is the most");
    }

    [Fact]
    public void A_size_that_does_not_follow_from_sizes_is_refused()
    {
        using var model = new SketchedModel(g => g.Scalar("zero", 0L).Scalar("one", 1L).Ints("none", 0)
            .Node("sum = ReduceSum(tokens)", ("keepdims", 0))
            .Node("k = Range(zero, sum, one)")
            .Node("f = Cast(k)", ("to", DataType.Float))
            .Node("r = ReduceSum(f)", ("keepdims", 0))
            .Node("y = Add(x, r)"));
        model.Refused("how much Range 'node ", "cannot be told from the sizes");
    }

    [Fact]
    public void Work_is_counted_before_it_is_done()
    {
        using var constant = new SketchedModel(g =>
        {
            g.Ints("s", 4096, 4096).Node("k0 = ConstantOfShape(s)");
            for (var i = 0; i < 4; i++) g.Node($"k{i + 1} = MatMul(k{i}, k{i})");
            return g.Node("r = ReduceSum(k4)", ("keepdims", 0)).Node("y = Add(x, r)");
        });
        constant.Refused("MatMul 'node ", "multiplies constants in ", "operations");
        using var product = new SketchedModel(g =>
        {
            g.Ints("s", 4096, 4096).Weights("P", 8, 4096).Weights("Q", 4096, 8).Node("k = ConstantOfShape(s)").Node("z0 = MatMul(x, P)");
            for (var i = 0; i < 200; i++) g.Node($"z{i + 1} = MatMul(z{i}, k)");
            return g.Node("y = MatMul(z200, Q)");
        });
        product.Refused("MatMul 'node ", "operations with all before it", "more than weights of 0 MiB ask for");
        using var written = new SketchedModel(g =>
        {
            g.Ints("shape", 1, 1, 8, 1L << 16).Ints("three", 3).Node("x4 = Unsqueeze(x, three)").Node("b0 = Expand(x4, shape)");
            for (var i = 0; i < 150; i++) g.Node($"b{i + 1} = Tanh(b{i})");
            return g.Node("y = ReduceMean(b150, three)", ("keepdims", 0));
        });
        written.Refused("Tanh 'node ", "with all before it");
    }

    [Fact]
    public void Sizes_that_multiply_without_end_are_followed_no_further_than_they_can_be()
    {
        using var model = new SketchedModel(g =>
        {
            g.Ints("one", 1).Node("shape = Shape(tokens)").Node("p0 = Gather(shape, one)");
            for (var i = 0; i < 64; i++) g.Node($"p{i + 1} = Mul(p{i}, p{i})");
            return g.Node("k = ConstantOfShape(p64)").Node("r = ReduceSum(k)", ("keepdims", 0)).Node("y = Add(x, r)");
        });
        model.Refused("ConstantOfShape 'node ");
    }

    private static TensorProto Zero() => Constants.Of([0L], 1);
}
