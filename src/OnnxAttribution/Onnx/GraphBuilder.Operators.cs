using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

internal sealed partial class GraphBuilder
{
    public Value Add(Value x, Value y) => Emit("Add", [x, y]);
    public Value Sub(Value x, Value y) => Emit("Sub", [x, y]);
    public Value Mul(Value x, Value y) => Emit("Mul", [x, y]);
    public Value Div(Value x, Value y) => Emit("Div", [x, y]);
    public Value Neg(Value x) => Emit("Neg", [x]);
    public Value Exp(Value x) => Emit("Exp", [x]);
    public Value Log(Value x) => Emit("Log", [x]);
    public Value Tanh(Value x) => Emit("Tanh", [x]);
    public Value Sqrt(Value x) => Emit("Sqrt", [x]);
    public Value Reciprocal(Value x) => Emit("Reciprocal", [x]);
    public Value Pow(Value x, Value y) => Emit("Pow", [x, y]);
    public Value Relu(Value x) => Emit("Relu", [x]);
    public Value Sign(Value x) => Emit("Sign", [x]);
    public Value MatMul(Value x, Value y) => Emit("MatMul", [x, y]);
    public Value Where(Value condition, Value x, Value y) => Emit("Where", [condition, x, y]);
    public Value Greater(Value x, Value y) => Emit("Greater", [x, y]);
    public Value Equal(Value x, Value y) => Emit("Equal", [x, y]);
    public Value Cast(Value x, DataType to) => Emit("Cast", [x], ("to", (long)to));
    public Value Identity(Value x, string name) => Emit("Identity", [x], [name])[0];
    public Value Shape(Value x) => Emit("Shape", [x]);
    public Value Shape(Value x, int start, int end) => Emit("Shape", [x], ("start", start), ("end", end));
    public Value Reshape(Value x, Value shape) => Emit("Reshape", [x, shape]);
    public Value Reshape(Value x, params long[] shape) => Emit("Reshape", [x, Ints(shape)]);
    public Value Expand(Value x, Value shape) => Emit("Expand", [x, shape]);
    public Value Transpose(Value x, params int[] perm) => Emit("Transpose", [x], ("perm", perm.Select(p => (long)p).ToArray()));
    public Value Unsqueeze(Value x, params long[] axes) => axes.Length == 0 ? x : Emit("Unsqueeze", [x, Ints(axes)]);
    public Value Squeeze(Value x, params long[] axes) => axes.Length == 0 ? x : Emit("Squeeze", [x, Ints(axes)]);
    public Value Gather(Value x, Value indices, int axis) => Emit("Gather", [x, indices], ("axis", axis));
    public Value Concat(int axis, params Value[] parts) => parts.Length == 1 ? parts[0] : Emit("Concat", parts, ("axis", axis));
    public Value Slice(Value x, Value starts, Value ends, Value axes, Value? steps = null) =>
        Emit("Slice", steps is null ? [x, starts, ends, axes] : [x, starts, ends, axes, steps]);
    public Value Range(Value start, Value limit, Value delta) => Emit("Range", [start, limit, delta]);
    public Value Softmax(Value x, long axis) => Emit("Softmax", [x], ("axis", axis));
    public Value LogSoftmax(Value x, long axis) => Emit("LogSoftmax", [x], ("axis", axis));

    public Value ReduceSum(Value x, bool keepDims, params long[] axes) =>
        axes.Length == 0 ? x : Emit("ReduceSum", [x, Ints(axes)], ("keepdims", keepDims ? 1L : 0L));

    public Value ReduceMean(Value x, bool keepDims, params long[] axes) =>
        axes.Length == 0 ? x : Emit("ReduceMean", [x, Ints(axes)], ("keepdims", keepDims ? 1L : 0L));

    /// <summary>float32 [..., depth]: 1 where the index says so, else 0.</summary>
    public Value OneHot(Value indices, Value depth) =>
        Emit("OneHot", [indices, depth, Cached($"{prefix}zero_one", () => Constants.Of([0f, 1f], 2))], ("axis", -1L));

    /// <summary>x Wᵀ + b over the last axis of x, with a matrix W that is read as it lies (no transposed copy).</summary>
    public Value MatMulTransposed(Value x, Value w, Value? bias = null)
    {
        var rank = x.Rank;
        var rows = rank == 2 ? x : Reshape(x, -1, w.Shape![1].Size ?? throw new GraphException($"the width of '{w.Name}' is not known"));
        var product = Emit("Gemm", bias is null ? [rows, w] : [rows, w, bias], ("transB", 1L));
        if (rank == 2) return product;
        // one unknown axis can be left to Reshape; with more, the sizes are read off x at run time
        var shape = x.Shape![..^1];
        var target = shape.Count(d => d.Size is null) <= 1
            ? Ints([.. shape.Select(d => d.Size ?? -1), w.Shape![0].Size ?? -1])
            : Concat(0, Shape(x, 0, rank - 1), Shape(w, 0, 1));
        return Reshape(product, target);
    }
}
