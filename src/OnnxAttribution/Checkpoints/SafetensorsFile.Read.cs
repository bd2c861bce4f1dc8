using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

internal sealed unsafe partial class SafetensorsFile
{
    /// <summary>Bytes that are hashed and checked at a time:
    /// as many as a core's own cache holds, and a multiple of every element's size.</summary>
    private const int Piece = 1 << 20;

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
            FloatBytes.ToFloats(new ReadOnlySpan<byte>(At(entry) + ((long)done * entry.Type.Size()), count * entry.Type.Size()), entry.Type,
                result.AsSpan(done, count));
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
        if (entry.Type == TensorType.F64) return Span<double>(entry).ToArray();
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

    /// <summary>Reads the whole file once and passes if every element of some tensors is a finite number.</summary>
    /// <param name="names">The tensors.</param>
    /// <param name="cancel">Looked at between pieces of a MiB.</param>
    /// <returns>The file's SHA-256 in hexadecimal digits, of the same reading:
    /// weights are gigabytes, and each is brought from disk or memory once.</returns>
    /// <exception cref="CheckpointException">No such tensor, not of a float type,
    /// or the first NaN or infinity, named by its flat index.</exception>
    public string RequireFinite(IReadOnlyCollection<string> names, CancellationToken cancel = default)
    {
        foreach (var name in names) RequireFloat(Find(name));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var at = 0L;
        foreach (var entry in Tensors.Values.OrderBy(entry => entry.Offset))
        {
            Walk(at, entry.Offset - at, null);
            Walk(entry.Offset, entry.Length, names.Contains(entry.Name) ? entry : null);
            at = entry.Offset + entry.Length;
        }
        Walk(at, Length - at, null);
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        // a piece is looked at twice while it is in the core's cache
        void Walk(long from, long count, TensorEntry? finite)
        {
            for (long done = 0; done < count; done += Piece)
            {
                cancel.ThrowIfCancellationRequested();
                ThrowIfDisposed();
                var piece = new ReadOnlySpan<byte>(_file.Start + from + done, (int)Math.Min(Piece, count - done));
                hash.AppendData(piece);
                if (finite is not null && FirstNotFinite(piece, finite.Type) is var (index, size) && index >= 0)
                {
                    throw new CheckpointException(Path,
                        $"tensor {DisplayText.QuotedName(finite.Name)} of shape {finite.ShapeText} has a NaN or infinity at flat index "
                        + $"{(done / size) + index}; "
                        + "download or train it again.");
                }
            }
        }
    }

    // NaN and the infinities, and they alone, have all bits of the exponent set.
    private static (int Index, int Size) FirstNotFinite(ReadOnlySpan<byte> bytes, TensorType type) => type switch
    {
        TensorType.F64 => (FirstWithAllOf(MemoryMarshal.Cast<byte, ulong>(bytes), 0x7FF0_0000_0000_0000UL), sizeof(ulong)),
        TensorType.F32 => (FirstWithAllOf(MemoryMarshal.Cast<byte, uint>(bytes), 0x7F80_0000U), sizeof(uint)),
        TensorType.F16 => (FirstWithAllOf(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)0x7C00), sizeof(ushort)),
        _ => (FirstWithAllOf(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)0x7F80), sizeof(ushort)),
    };

    /// <summary>Index of the first element that has all bits of the mask set; -1 if none has.</summary>
    private static int FirstWithAllOf<T>(ReadOnlySpan<T> bits, T mask) where T : unmanaged, IBinaryInteger<T>
    {
        var i = 0;
        var masks = new Vector<T>(mask);
        for (; i <= bits.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            if (Vector.EqualsAny(new Vector<T>(bits[i..]) & masks, masks)) break;
        }

        for (; i < bits.Length; i++)
        {
            if ((bits[i] & mask) == mask) return i;
        }

        return -1;
    }

    private ReadOnlySpan<T> Span<T>(TensorEntry entry) where T : unmanaged => new(At(entry), Elements(entry));

    private void RequireFloat(TensorEntry entry)
    {
        if (!entry.Type.IsFloat()) throw WrongType(entry, "F32");
    }
}
