using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxAttribution.Runtime;

/// <summary>A tensor's first entries along some of its axes.</summary>
internal static class TensorPrefix
{
    /// <param name="whole">In the host's memory; it must live as long as what is made of it.</param>
    /// <param name="length">How many entries of each of the axes stay.</param>
    /// <returns>The caller's: over the same memory where the entries lie together there, else a copy.</returns>
    public static unsafe OrtValue Of(OrtValue whole, IReadOnlyList<int> axes, long length)
    {
        var info = whole.GetTensorTypeAndShape();
        var from = whole.GetTensorMutableRawData();
        var shape = (long[])info.Shape.Clone();
        foreach (var axis in axes) shape[axis] = length;
        var entry = (int)(from.Length / info.ElementCount);
        var blocks = Blocks(info.Shape, shape).ToList();
        if (blocks is [var only])
        {
            var start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(from));
            return OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, info.ElementDataType, shape, start,
                only.Count * entry);
        }
        var copy = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, info.ElementDataType, shape);
        var to = copy.GetTensorMutableRawData();
        foreach (var (at, part, count) in blocks)
        {
            from.Slice((int)(at * entry), (int)(count * entry)).CopyTo(to[(int)(part * entry)..]);
        }
        return copy;
    }

    /// <summary>Entries that lie together both in a tensor and in its first entries along some axes, block by block.</summary>
    /// <param name="part">The shape of the first entries, of as many axes.</param>
    /// <returns>Where a block begins in the whole and in the part, and how many entries it has.</returns>
    public static IEnumerable<(long Whole, long Part, long Count)> Blocks(long[] whole, long[] part)
    {
        static long Product(ReadOnlySpan<long> sizes)
        {
            var product = 1L;
            foreach (var n in sizes) product *= n;
            return product;
        }
        var axis = part.Length - 1;
        while (axis > 0 && whole[axis] == part[axis]) axis--;
        var inner = axis < 0 ? 1 : Product(part.AsSpan(axis + 1));
        var (count, outer) = (axis < 0 ? 1 : part[axis] * inner, axis < 0 ? 1 : Product(part.AsSpan(0, axis)));
        for (var n = 0L; n < outer; n++)
        {
            var (at, rest, stride) = (0L, n, axis < 0 ? 0 : whole[axis] * inner);
            for (var i = axis - 1; i >= 0; i--)
            {
                at += rest % part[i] * stride;
                (rest, stride) = (rest / part[i], stride * whole[i]);
            }
            yield return (at, n * count, count);
        }
    }
}
