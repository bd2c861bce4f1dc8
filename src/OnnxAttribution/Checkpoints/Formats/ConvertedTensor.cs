using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>A tensor of a dictionary that is being converted, float32 and row-major;
/// a matrix passes through in blocks of rows, so that none is ever in memory.</summary>
internal sealed class ConvertedTensor
{
    private const int BlockBytes = 32 << 20;

    private readonly StridedTensor? _matrix;
    private readonly float[]? _vector, _rowFactors, _columnFactors;
    private readonly long[] _shape;

    private ConvertedTensor(string name, StridedTensor? matrix, float[]? vector, float[]? rowFactors, float[]? columnFactors)
    {
        (Name, _matrix, _vector, _rowFactors, _columnFactors) = (name, matrix, vector, rowFactors, columnFactors);
        _shape = matrix?.Shape ?? [vector!.Length];
    }

    public string Name { get; }

    public static ConvertedTensor Vector(string name, float[] values) => new(name, null, values, null, null);

    /// <param name="rowFactors">What each row is multiplied by; null: 1.</param>
    /// <param name="columnFactors">What each column is multiplied by; null: 1.</param>
    public static ConvertedTensor Matrix(string name, StridedTensor matrix, float[]? rowFactors = null, float[]? columnFactors = null) =>
        new(name, matrix, null, rowFactors, columnFactors);

    /// <param name="source">For messages.</param>
    public SafetensorsTensor ToWrite(string source, CancellationToken cancel) => new(Name, TensorType.F32, [.. _shape], stream =>
    {
        if (_vector is not null)
        {
            Write(stream, _vector, source);
            return;
        }
        var (rows, columns) = (_shape[0], (int)_shape[1]);
        var most = (int)Math.Clamp(BlockBytes / sizeof(float) / Math.Max(columns, 1), 1, Math.Max(rows, 1));
        var block = new float[most * columns];
        for (var first = 0L; first < rows; first += most)
        {
            cancel.ThrowIfCancellationRequested();
            var count = (int)Math.Min(most, rows - first);
            var some = block.AsSpan(0, count * columns);
            _matrix!.CopyRows(first, count, some);
            for (var r = 0; r < count && (_rowFactors is not null || _columnFactors is not null); r++)
            {
                var row = some.Slice(r * columns, columns);
                if (_rowFactors is not null) TensorPrimitives.Multiply(row, _rowFactors[first + r], row);
                if (_columnFactors is not null) TensorPrimitives.Multiply(row, _columnFactors, row);
            }
            Write(stream, some, source);
        }
    });

    private void Write(Stream stream, ReadOnlySpan<float> values, string source)
    {
        // the largest magnitude is NaN where any number is
        if (values.Length > 0 && !float.IsFinite(TensorPrimitives.MaxMagnitude(values)))
        {
            throw new CheckpointException(source, $"what becomes {Name} has a NaN or infinity; download or train it again.");
        }
        stream.Write(MemoryMarshal.AsBytes(values));
    }
}
