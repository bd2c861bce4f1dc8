using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Checkpoints;

/// <summary>Elements of the float types, as they lie in a file, to float32.</summary>
internal static class FloatBytes
{
    /// <summary>F64 is rounded; F16 and BF16 convert exactly.</summary>
    /// <param name="bytes">As many elements as <paramref name="result"/> has.</param>
    public static void ToFloats(ReadOnlySpan<byte> bytes, TensorType type, Span<float> result)
    {
        switch (type)
        {
            case TensorType.F32: MemoryMarshal.Cast<byte, float>(bytes).CopyTo(result); break;
            case TensorType.F64: TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, double>(bytes), result); break;
            case TensorType.F16: TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), result); break;
            case TensorType.BF16: Widen(MemoryMarshal.Cast<byte, ushort>(bytes), result); break;
            default: throw new ArgumentException($"{type} is no float type", nameof(type));
        }
    }

    /// <summary>bfloat16 is the upper half of a float32.</summary>
    private static void Widen(ReadOnlySpan<ushort> bfloat16, Span<float> result)
    {
        var i = 0;
        var bits = MemoryMarshal.Cast<float, uint>(result);
        for (; i <= bfloat16.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(bfloat16[i..]), out var low, out var high);
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }
        for (; i < bfloat16.Length; i++) bits[i] = (uint)bfloat16[i] << 16;
    }
}
