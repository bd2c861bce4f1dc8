namespace OnnxAttribution.Tests.Reference;

/// <summary>A row-major tensor in double precision. Integers and booleans (0 and 1) are held as doubles too.</summary>
internal sealed partial class DoubleTensor
{
    public DoubleTensor(int[] shape, double[] data, bool isInteger = false)
    {
        if (Count(shape) != data.Length)
        {
            throw new ArgumentException($"Shape [{string.Join(", ", shape)}] holds {Count(shape)} entries, not {data.Length}.");
        }
        (Shape, Data, IsInteger) = (shape, data, isInteger);
    }

    public int[] Shape { get; }
    public double[] Data { get; }
    public int Rank => Shape.Length;

    /// <summary>The entry of a tensor that holds one, of whatever rank.</summary>
    public double Value => Data.Single();

    /// <summary>The element type in ONNX is an integer, so that Div truncates.</summary>
    public bool IsInteger { get; }

    public static DoubleTensor Scalar(double value) => new([], [value]);

    public static DoubleTensor Vector(params double[] values) => new([values.Length], values);

    public static DoubleTensor Zeros(params int[] shape) => new(shape, new double[Count(shape)]);

    /// <summary>The tensor whose entry at each index is <paramref name="entry"/> of it; the index array is reused between calls.</summary>
    public static DoubleTensor Tabulate(int[] shape, Func<int[], double> entry)
    {
        var result = Zeros(shape);
        var index = new int[shape.Length];
        for (var i = 0; i < result.Data.Length; i++, Advance(index, shape)) result.Data[i] = entry(index);
        return result;
    }

    /// <summary>The entry at an index of a tensor that this one is broadcast to: aligned on the right, size-1 axes repeated.</summary>
    public double At(params ReadOnlySpan<int> index) => Data[Offset(index)];

    /// <summary>The position in <see cref="Data"/> of the entry that <see cref="At"/> reads.</summary>
    public int Offset(ReadOnlySpan<int> index)
    {
        var aligned = index[^Rank..];
        var offset = 0;
        for (var axis = 0; axis < Rank; axis++) offset = offset * Shape[axis] + (Shape[axis] == 1 ? 0 : aligned[axis]);
        return offset;
    }

    public DoubleTensor Map(Func<double, double> f) => new(Shape, Array.ConvertAll(Data, x => f(x)));

    public DoubleTensor Reshape(params int[] shape) => new(shape, Data, IsInteger);

    public DoubleTensor AsInteger(bool isInteger) => isInteger == IsInteger ? this : new(Shape, Data, isInteger);

    /// <summary>The entries as integers; what lies beyond int (ONNX uses int64 limits for "to the end") becomes its nearest int.</summary>
    public int[] ToInts() => Array.ConvertAll(Data, x => (int)Math.Clamp(x, int.MinValue, int.MaxValue));

    /// <summary>⟨a, b⟩, the sum over all entries.</summary>
    public double Dot(DoubleTensor other) => Data.Zip(other.Data, (a, b) => a * b).Sum();

    public static int Count(ReadOnlySpan<int> shape)
    {
        var count = 1;
        foreach (var size in shape) count = checked(count * size);
        return count;
    }

    /// <summary>The shape that both shapes broadcast to.</summary>
    public static int[] Broadcast(int[] a, int[] b)
    {
        var shape = new int[Math.Max(a.Length, b.Length)];
        for (var axis = 1; axis <= shape.Length; axis++)
        {
            var (m, n) = (axis <= a.Length ? a[^axis] : 1, axis <= b.Length ? b[^axis] : 1);
            if (m != n && m != 1 && n != 1)
            {
                throw new ArgumentException($"Shapes [{string.Join(", ", a)}] and [{string.Join(", ", b)}] do not broadcast.");
            }
            shape[^axis] = m == 1 ? n : m;
        }
        return shape;
    }

    /// <summary>The next index in row-major order.</summary>
    public static void Advance(int[] index, int[] shape)
    {
        for (var axis = shape.Length - 1; axis >= 0 && ++index[axis] == shape[axis]; axis--) index[axis] = 0;
    }
}
