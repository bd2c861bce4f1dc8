using System.Buffers;

namespace OnnxAttribution.Checkpoints;

/// <summary>Floats of a mapped file as <see cref="Memory{T}"/>. They lie still, so pinning is free; the file owns them.</summary>
internal sealed unsafe class MappedFloats(SafetensorsFile file, float* start, int length) : MemoryManager<float>
{
    public override Span<float> GetSpan()
    {
        file.ThrowIfDisposed();
        return new Span<float>(start, length);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        file.ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length, nameof(elementIndex));
        return new MemoryHandle(start + elementIndex);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
