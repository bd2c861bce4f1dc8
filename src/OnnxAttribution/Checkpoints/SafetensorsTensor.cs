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
    public static SafetensorsTensor F32(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<float>> data) =>
        new(name, TensorType.F32, [.. shape], stream => stream.Write(MemoryMarshal.AsBytes(data().Span)));

    public static SafetensorsTensor F16(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<Half>> data) =>
        new(name, TensorType.F16, [.. shape], stream => stream.Write(MemoryMarshal.AsBytes(data().Span)));

    /// <summary>The upper half of each float32: rounded towards 0.</summary>
    public static SafetensorsTensor BF16(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<float>> data) =>
        new(name, TensorType.BF16, [.. shape], stream =>
        {
            var halves = MemoryMarshal.Cast<float, ushort>(data().Span);
            var upper = new ushort[halves.Length / 2];
            for (var i = 0; i < upper.Length; i++) upper[i] = halves[(2 * i) + 1];
            stream.Write(MemoryMarshal.AsBytes(upper));
        });

    public static SafetensorsTensor F64(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<double>> data) =>
        new(name, TensorType.F64, [.. shape], stream => stream.Write(MemoryMarshal.AsBytes(data().Span)));

    public static SafetensorsTensor I64(string name, ReadOnlySpan<long> shape, Func<ReadOnlyMemory<long>> data) =>
        new(name, TensorType.I64, [.. shape], stream => stream.Write(MemoryMarshal.AsBytes(data().Span)));
}
