using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Checkpoints;

internal sealed unsafe partial class SafetensorsFile
{
    /// <summary>A copy of a tensor as float32, row-major. F64 is rounded; F16 and BF16 convert exactly.</summary>
    /// <exception cref="CheckpointException">No such tensor, or not of a float type.</exception>
    public float[] ReadFloats(string name)
    {
        var entry = Find(name);
        RequireFloat(entry);
        var result = GC.AllocateUninitializedArray<float>(Elements(entry));
        switch (entry.Type)
        {
            case TensorType.F32: Span<float>(entry).CopyTo(result); break;
            case TensorType.F64: TensorPrimitives.ConvertTruncating(Span<double>(entry), result.AsSpan()); break;
            case TensorType.F16: TensorPrimitives.ConvertToSingle(Span<Half>(entry), result); break;
            default: Widen(Span<ushort>(entry), result); break;
        }
        return result;
    }

    /// <summary>A copy of a tensor as float64, row-major; every float type converts exactly.</summary>
    /// <exception cref="CheckpointException">No such tensor, or not of a float type.</exception>
    public double[] ReadDoubles(string name)
    {
        var entry = Find(name);
        RequireFloat(entry);
        if (entry.Type == TensorType.F64)
            return Span<double>(entry).ToArray();
        var result = GC.AllocateUninitializedArray<double>(Elements(entry));
        TensorPrimitives.ConvertTruncating<float, double>(entry.Type == TensorType.F32 ? Span<float>(entry) : ReadFloats(name), result);
        return result;
    }

    /// <summary>A copy of a tensor of type I64.</summary>
    /// <exception cref="CheckpointException">No such tensor, or of another type.</exception>
    public long[] ReadInt64(string name)
    {
        var entry = Find(name);
        return entry.Type == TensorType.I64 ? Span<long>(entry).ToArray() : throw WrongType(entry, "I64");
    }

    /// <summary>Passes if every element is a finite number.</summary>
    /// <exception cref="CheckpointException">No such tensor, not of a float type, or the first NaN or infinity, named by its flat index.</exception>
    public void RequireFinite(string name)
    {
        var entry = Find(name);
        RequireFloat(entry);
        // NaN and the infinities, and they alone, have all bits of the exponent set.
        var index = entry.Type switch
        {
            TensorType.F64 => FirstWithAllOf(Span<ulong>(entry), 0x7FF0_0000_0000_0000UL),
            TensorType.F32 => FirstWithAllOf(Span<uint>(entry), 0x7F80_0000U),
            TensorType.F16 => FirstWithAllOf(Span<ushort>(entry), (ushort)0x7C00),
            _ => FirstWithAllOf(Span<ushort>(entry), (ushort)0x7F80),
        };
        if (index >= 0)
            throw new CheckpointException(Path,
                $"tensor {CheckpointException.Quote(name)} of shape {entry.ShapeText} has a NaN or infinity at flat index {index}; "
                + "download or train it again.");
    }

    /// <summary>Index of the first element that has all bits of the mask set; -1 if none has.</summary>
    private static int FirstWithAllOf<T>(ReadOnlySpan<T> bits, T mask) where T : unmanaged, IBinaryInteger<T>
    {
        var i = 0;
        var masks = new Vector<T>(mask);
        for (; i <= bits.Length - Vector<T>.Count; i += Vector<T>.Count)
            if (Vector.EqualsAny(new Vector<T>(bits[i..]) & masks, masks))
                break;
        for (; i < bits.Length; i++)
            if ((bits[i] & mask) == mask)
                return i;
        return -1;
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
        for (; i < bfloat16.Length; i++)
            bits[i] = (uint)bfloat16[i] << 16;
    }

    private ReadOnlySpan<T> Span<T>(TensorEntry entry) where T : unmanaged => new(At(entry), Elements(entry));

    private void RequireFloat(TensorEntry entry)
    {
        if (!entry.Type.IsFloat())
            throw WrongType(entry, "F32");
    }
}
