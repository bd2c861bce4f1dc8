using System.IO.MemoryMappedFiles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>A file mapped read-only. Owns the mapping; who opens one disposes it, and no span outlives it.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte* _start;
    private bool _disposed;

    private MappedFile(string path, FileStream file)
    {
        (Path, Length) = (path, file.Length);
        if (Length == 0) return;   // nothing can be mapped of an empty file
        _mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
    }

    /// <summary>The path it was opened with.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The first byte; what is read from here on is not checked against <see cref="Length"/>.</summary>
    public byte* Start
    {
        get
        {
            ThrowIfDisposed();
            return _start;
        }
    }

    /// <param name="read">Reads what it wants of the file before it is mapped; what it throws is thrown on.</param>
    /// <exception cref="CheckpointException">The file is missing, cannot be read or is a Git LFS pointer.</exception>
    public static MappedFile Open(string path, Action<FileStream>? read = null)
    {
        FileStream? file = null;
        try
        {
            file = RegularFile.OpenRead(path, bufferSize: 0, FileShare.Read | FileShare.Delete);
            LfsPointer.Refuse(path, file);
            read?.Invoke(file);
            return new MappedFile(path, file);
        }
        catch (Exception e)
        {
            file?.Dispose();
            throw e switch
            {
                FileNotFoundException or DirectoryNotFoundException => CheckpointException.Missing(path, e),
                IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException =>
                    new CheckpointException(path, $"cannot be read: {FileFault.Words(e, "check the path")}.", e),
                _ => e,
            };
        }
    }

    /// <summary>Bytes where they lie.</summary>
    /// <exception cref="CheckpointException">They reach beyond the file.</exception>
    public ReadOnlySpan<byte> this[long offset, int length]
    {
        get
        {
            ThrowIfDisposed();
            return offset >= 0 && length >= 0 && offset <= Length - length
                ? new ReadOnlySpan<byte>(_start + offset, length)
                : throw Truncated();
        }
    }

    public void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    public CheckpointException Truncated() => new(Path, "ends before its content does; download it again.");

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _view?.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _mapping?.Dispose();
    }
}
