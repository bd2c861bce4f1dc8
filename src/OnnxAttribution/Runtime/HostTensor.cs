using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace OnnxAttribution.Runtime;

/// <summary>Tensors over the host's memory, as runs take them.</summary>
internal static class HostTensor
{
    private const int Alignment = 64;

    /// <summary>Arrays beyond this are not copied to be aligned: only their last digits depend on it.</summary>
    private const long MostCopied = 64 << 20;

    /// <summary>A tensor of these entries: over the caller's memory, or over a copy where an array of floats lies unaligned.</summary>
    /// <remarks>The runtime's sums along an axis begin their vectors where memory is aligned. Where the collector puts
    /// an array changes from run to run, and with it the last digit of what is computed from it; the runtime's own
    /// memory, and mapped files, lie alike each time.</remarks>
    /// <exception cref="ArgumentException">They are more or fewer than the shape says.</exception>
    public static unsafe OrtValue Over<T>(Memory<T> data, ReadOnlySpan<long> shape) where T : unmanaged
    {
        var count = 1L;
        foreach (var size in shape) count *= size;
        if (count != data.Length) throw new ArgumentException($"{data.Length} entries are no tensor of {count}", nameof(data));
        using var pinned = data.Pin();
        var bytes = (long)data.Length * sizeof(T);
        if (typeof(T) != typeof(float) || (nuint)pinned.Pointer % Alignment == 0 || bytes > MostCopied
            || !MemoryMarshal.TryGetArray<T>(data, out _))
        {
            return OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, data, shape.ToArray());
        }
        var copy = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, TensorElementType.Float, shape.ToArray());
        data.Span.CopyTo(copy.GetTensorMutableDataAsSpan<T>());
        return copy;
    }
}
