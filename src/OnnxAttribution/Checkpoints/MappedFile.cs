using System.IO.MemoryMappedFiles;

namespace OnnxAttribution.Checkpoints;

/// <summary>A file mapped read-only; every access is checked against its length. Owns the mapping; who opens one disposes it, and no span outlives it.</summary>
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

    public string Path { get; }

    public long Length { get; }

    /// <exception cref="CheckpointException">The file is missing or cannot be read.</exception>
    public static MappedFile Open(string path)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            return new MappedFile(path, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            file?.Dispose();
            throw e is FileNotFoundException or DirectoryNotFoundException ? new CheckpointException(path, "there is no such file; check the path.", e)
                : new CheckpointException(path, $"cannot be read ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); check that it is a file and its permissions.", e);
        }
    }

    /// <summary>Bytes where they lie.</summary>
    /// <exception cref="CheckpointException">They reach beyond the file.</exception>
    public ReadOnlySpan<byte> this[long offset, int length]
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return offset >= 0 && length >= 0 && offset <= Length - length ? new ReadOnlySpan<byte>(_start + offset, length) : throw Truncated();
        }
    }

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
