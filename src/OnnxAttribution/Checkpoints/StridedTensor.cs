using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>A tensor in a mapped file, wherever its strides put its elements:
/// PyTorch's views, Fortran order, plain rows. The file stays its owner's.</summary>
/// <param name="File">The file.</param>
/// <param name="Name">Its name there, for messages.</param>
/// <param name="Type">Element type.</param>
/// <param name="Offset">The first element's byte.</param>
/// <param name="Shape">Outermost axis first; empty for a scalar.</param>
/// <param name="Strides">Elements from one to the next, per axis.</param>
internal sealed record StridedTensor(MappedFile File, string Name, TensorType Type, long Offset, long[] Shape, long[] Strides)
{
    /// <summary>Row-major strides.</summary>
    public static long[] RowMajor(ReadOnlySpan<long> shape)
    {
        var strides = new long[shape.Length];
        for (var (i, next) = (shape.Length - 1, 1L); i >= 0; next *= Math.Max(shape[i--], 1)) strides[i] = next;
        return strides;
    }

    public string ShapeText => CheckpointException.ShapeText(Shape);

    /// <summary>The same elements with the two axes of a matrix exchanged.</summary>
    public StridedTensor Transposed => this with { Shape = [Shape[1], Shape[0]], Strides = [Strides[1], Strides[0]] };

    /// <exception cref="CheckpointException">Another shape, or no float type.</exception>
    public StridedTensor Require(params ReadOnlySpan<long> shape)
    {
        if (!Type.IsFloat())
        {
            throw new CheckpointException(File.Path, $"tensor {DisplayText.QuotedName(Name)} has type {Type}; save the weights as floats.");
        }
        return Shape.AsSpan().SequenceEqual(shape) ? this : throw new CheckpointException(File.Path,
            $"tensor {DisplayText.QuotedName(Name)} has shape {ShapeText} where {CheckpointException.ShapeText(shape)} is expected; "
            + "check that file and config belong together.");
    }

    /// <summary>A vector, or a scalar as one number, as float32.</summary>
    public float[] ReadVector()
    {
        if (Shape.Length > 1)
        {
            throw new CheckpointException(File.Path, $"tensor {DisplayText.QuotedName(Name)} has shape {ShapeText} where a vector is "
                + "expected; check that it is the file it should be.");
        }
        var matrix = this with { Shape = [1, Shape.Length == 0 ? 1 : Shape[0]], Strides = [0, Shape.Length == 0 ? 1 : Strides[0]] };
        var result = new float[matrix.Shape[1]];
        matrix.CopyRows(0, 1, result);
        return result;
    }

    /// <summary>An integer or float that stands alone.</summary>
    public double ReadScalar()
    {
        if (Shape.Any(s => s != 1))
        {
            throw new CheckpointException(File.Path, $"tensor {DisplayText.QuotedName(Name)} has shape {ShapeText} where one number is "
                + "expected; check that it is the file it should be.");
        }
        var bytes = File[Offset, Type.Size()];
        return Type switch
        {
            TensorType.I64 => BitConverter.ToInt64(bytes),
            TensorType.I32 => BitConverter.ToInt32(bytes),
            TensorType.I16 => BitConverter.ToInt16(bytes),
            TensorType.I8 => (sbyte)bytes[0],
            TensorType.U8 => bytes[0],
            TensorType.F64 => BitConverter.ToDouble(bytes),
            _ when Type.IsFloat() => ReadFloat(bytes),
            _ =>
                throw new CheckpointException(File.Path, $"tensor {DisplayText.QuotedName(Name)} has type {Type} where a number is "
                    + "expected; check that it is the file it should be."),
        };
    }

    /// <summary>Some rows of a matrix, as float32.</summary>
    /// <param name="to">[count, columns].</param>
    public void CopyRows(long first, int count, Span<float> to)
    {
        var columns = (int)Shape[1];
        if (Strides[1] == 1)
        {
            for (var r = 0; r < count; r++) Run(Offset + ((first + r) * Strides[0] * Type.Size()), to.Slice(r * columns, columns));
        }
        else if (Strides[0] == 1)
        {
            CopyTransposed(first, count, columns, to);
        }
        else
        {
            for (var r = 0; r < count; r++)
            {
                for (var c = 0; c < columns; c++)
                {
                    Run(Offset + ((((first + r) * Strides[0]) + (c * Strides[1])) * Type.Size()), to.Slice((r * columns) + c, 1));
                }
            }
        }
    }

    // the rows lie as columns: 16 of them at a time, so that what is written next to each other fills a line of the cache
    private void CopyTransposed(long first, int count, int columns, Span<float> to)
    {
        const int tile = 16, run = 4096;
        var buffer = new float[tile * Math.Min(run, count)];
        for (var r = 0; r < count; r += run)
        {
            var rows = Math.Min(run, count - r);
            for (var c = 0; c < columns; c += tile)
            {
                var width = Math.Min(tile, columns - c);
                for (var k = 0; k < width; k++)
                {
                    Run(Offset + ((((first + r) * Strides[0]) + ((c + k) * Strides[1])) * Type.Size()), buffer.AsSpan(k * rows, rows));
                }
                for (var i = 0; i < rows; i++)
                {
                    var target = to.Slice(((r + i) * columns) + c, width);
                    for (var k = 0; k < target.Length; k++) target[k] = buffer[(k * rows) + i];
                }
            }
        }
    }

    private void Run(long offset, Span<float> to) => FloatBytes.ToFloats(File[offset, to.Length * Type.Size()], Type, to);

    private float ReadFloat(ReadOnlySpan<byte> bytes)
    {
        Span<float> one = stackalloc float[1];
        FloatBytes.ToFloats(bytes, Type, one);
        return one[0];
    }
}
