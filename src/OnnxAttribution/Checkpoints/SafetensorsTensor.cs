using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Checkpoints;

/// <summary>One tensor to be written: its data is asked for when its turn comes, so that no file needs to fit in memory.</summary>
/// <param name="Name">Its key in the header.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Shape">Row-major, outermost axis first; empty for a scalar.</param>
/// <param name="WriteData">Writes exactly the tensor's bytes, little-endian.</param>
internal sealed record SafetensorsTensor(string Name, TensorType Type, ImmutableArray<long> Shape, Action<Stream> WriteData)
{
    // what a span of bytes holds at most is 2 GiB, and a vocabulary's matrix in float32 can be more
    private const int Piece = 1 << 20;

    public static SafetensorsTensor F32(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<float>> data) =>
        new(name, TensorType.F32, [.. shape], Written(data));

    public static SafetensorsTensor F16(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<Half>> data) =>
        new(name, TensorType.F16, [.. shape], Written(data));

    /// <summary>The upper half of each float32: rounded towards 0.</summary>
    public static SafetensorsTensor BF16(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<float>> data) =>
        new(name, TensorType.BF16, [.. shape], stream =>
        {
            var upper = new ushort[Piece];
            InPieces(data().Span, piece =>
            {
                var halves = MemoryMarshal.Cast<float, ushort>(piece);
                for (var i = 0; i < piece.Length; i++) upper[i] = halves[(2 * i) + 1];
                stream.Write(MemoryMarshal.AsBytes(upper.AsSpan(0, piece.Length)));
            });
        });

    public static SafetensorsTensor F64(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<double>> data) =>
        new(name, TensorType.F64, [.. shape], Written(data));

    public static SafetensorsTensor I64(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<long>> data) =>
        new(name, TensorType.I64, [.. shape], Written(data));

    private static Action<Stream> Written<T>(Func<ReadOnlyMemory<T>> data) where T : unmanaged =>
        stream => InPieces(data().Span, piece => stream.Write(MemoryMarshal.AsBytes(piece)));

    private static void InPieces<T>(ReadOnlySpan<T> values, Action<ReadOnlySpan<T>> take)
    {
        for (; values.Length > Piece; values = values[Piece..]) take(values[..Piece]);
        take(values);
    }
}
