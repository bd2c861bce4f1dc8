namespace OnnxAttribution.Tests.Reference;

internal static partial class DoubleInterpreter
{
    private static Dictionary<string, Operator> Generators() => new()
    {
        ["Constant"] = c => [Constant(c)],
        ["ConstantOfShape"] = c => [ConstantOfShape(c)],
        ["Shape"] = c => [ShapeOf(c)],
        ["Size"] = c => [DoubleTensor.Scalar(c[0].Data.Length)],
        ["Range"] = c => [Range(c[0].Value, c[1].Value, c[2].Value)],
        ["EyeLike"] = c => [DoubleTensor.Tabulate(c[0].Shape, i => Bit(i[1] - i[0] == c.Int("k", 0)))],
    };

    private static DoubleTensor Constant(OperatorCall c)
    {
        if (c.Attribute("value") is { } value) return DoubleTensor.Decode(value.T);
        if (c.Attribute("value_float") is { } f) return DoubleTensor.Scalar(f.F);
        if (c.Attribute("value_floats") is { } floats) return DoubleTensor.Vector([.. floats.Floats.Select(x => (double)x)]);
        if (c.Attribute("value_int") is { } i) return DoubleTensor.Scalar(i.I).AsInteger(true);
        if (c.Attribute("value_ints") is { } ints) return DoubleTensor.Vector([.. ints.Ints.Select(x => (double)x)]).AsInteger(true);
        throw new NotSupportedException("Constant without a numeric value is not in the reference interpreter.");
    }

    private static DoubleTensor ConstantOfShape(OperatorCall c)
    {
        var value = c.Attribute("value") is { } a ? DoubleTensor.Decode(a.T) : DoubleTensor.Scalar(0);
        return DoubleTensor.Tabulate(c[0].ToInts(), _ => value.Value).AsInteger(value.IsInteger);
    }

    private static DoubleTensor ShapeOf(OperatorCall c)
    {
        var shape = c[0].Shape;
        int Clamped(int axis) => Math.Clamp(axis < 0 ? axis + shape.Length : axis, 0, shape.Length);
        var (start, end) = (Clamped(c.Int("start", 0)), Clamped(c.Int("end", shape.Length)));
        return DoubleTensor.Vector([.. shape[start..Math.Max(start, end)].Select(size => (double)size)]);
    }

    private static DoubleTensor Range(double start, double limit, double delta) =>
        DoubleTensor.Tabulate([Math.Max(0, (int)Math.Ceiling((limit - start) / delta))], i => start + i[0] * delta);
}
