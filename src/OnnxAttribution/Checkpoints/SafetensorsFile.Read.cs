using System.Numerics;
using System.Numerics.Tensors;

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
        for (var done = 0; done < result.Length;)
        {
            // spans of bytes end at 2 GB
            var count = Math.Min(result.Length - done, 1 << 24);
            FloatBytes.ToFloats(new ReadOnlySpan<byte>(At(entry) + ((long)done * entry.Type.Size()), count * entry.Type.Size()), entry.Type, result.AsSpan(done, count));
            done += count;
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

    private ReadOnlySpan<T> Span<T>(TensorEntry entry) where T : unmanaged => new(At(entry), Elements(entry));

    private void RequireFloat(TensorEntry entry)
    {
        if (!entry.Type.IsFloat())
            throw WrongType(entry, "F32");
    }
}
