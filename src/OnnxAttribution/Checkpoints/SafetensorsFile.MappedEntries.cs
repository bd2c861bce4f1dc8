using System.Buffers;

namespace OnnxAttribution.Checkpoints;

/// <summary>Entries of a mapped file as <see cref="Memory{T}"/>. They lie still, so pinning is free; the file owns them.</summary>
internal sealed unsafe class MappedEntries<T>(SafetensorsFile file, T* start, int length) : MemoryManager<T> where T : unmanaged
{
    public override Span<T> GetSpan()
    {
        file.ThrowIfDisposed();
        return new Span<T>(start, length);
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
