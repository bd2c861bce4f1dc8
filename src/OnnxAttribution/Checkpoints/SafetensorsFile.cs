using System.Runtime.InteropServices;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>A safetensors file, mapped read-only: opening costs its header, reading costs the pages that are read.
/// Owns the mapping; who opens a file disposes it, and nothing that was mapped from it may be used afterwards.</summary>
internal sealed unsafe partial class SafetensorsFile : IDisposable
{
    private const int DontNeed = 4;   // MADV_DONTNEED, of Linux and of macOS
    private const int PopulateRead = 22;   // MADV_POPULATE_READ, of Linux from 5.14 on

    private readonly SafetensorsHeader _header;
    private readonly MappedFile _file;

    private SafetensorsFile(SafetensorsHeader header, MappedFile file) => (_header, _file) = (header, file);

    /// <summary>The path it was opened with.</summary>
    public string Path => _file.Path;

    /// <summary>Bytes of the file.</summary>
    public long Length => _file.Length;

    /// <summary>The header's <c>__metadata__</c>; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => _header.Tensors;

    /// <summary>Opens a file and checks its whole header: every tensor lies where and as the header says,
    /// and every byte belongs to one.</summary>
    /// <exception cref="CheckpointException">The file is missing, unreadable, truncated or not a safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafetensorsHeader? header = null;
        var file = MappedFile.Open(path, stream => header = SafetensorsHeader.Read(path, stream));
        return new SafetensorsFile(header!, file);
    }

    /// <summary>The tensor of that name, if it has that shape.</summary>
    /// <param name="name">Its key in the header.</param>
    /// <param name="shape">The expected shape; -1 stands for any size. No shape at all expects a scalar.</param>
    /// <exception cref="CheckpointException">No such tensor, or another shape.</exception>
    public TensorEntry Require(string name, params ReadOnlySpan<long> shape)
    {
        var entry = Find(name);
        var agrees = entry.Shape.Length == shape.Length;
        for (var i = 0; agrees && i < shape.Length; i++) agrees = shape[i] < 0 || shape[i] == entry.Shape[i];
        return agrees ? entry : throw new CheckpointException(Path,
            $"tensor {DisplayText.QuotedName(name)} has shape {entry.ShapeText} where {CheckpointException.ShapeText(shape)} is expected; "
            + "check that the file and its config belong together.");
    }

    /// <summary>The address of a tensor's first byte, valid until this file is disposed. It is aligned only as the file is.</summary>
    public IntPtr Pointer(string name) => (IntPtr)At(Find(name));

    /// <summary>A tensor of type F32 without a copy, for ONNX Runtime to read where it lies;
    /// valid until this file is disposed, and never to be written to. A tensor whose bytes are not aligned to 4 is copied.</summary>
    /// <exception cref="CheckpointException">No such tensor, or not of type F32.</exception>
    public Memory<float> MapFloat32(string name)
    {
        var entry = Find(name);
        if (entry.Type != TensorType.F32) throw WrongType(entry, "F32");
        return entry.Offset % sizeof(float) == 0
            ? new MappedEntries<float>(this, (float*)At(entry), Elements(entry)).Memory : ReadFloats(name);
    }

    /// <summary>A tensor of type I8, as <see cref="MapFloat32"/> gives one of type F32.</summary>
    /// <exception cref="CheckpointException">No such tensor, or not of type I8.</exception>
    public Memory<sbyte> MapInt8(string name)
    {
        var entry = Find(name);
        return entry.Type == TensorType.I8 ? new MappedEntries<sbyte>(this, (sbyte*)At(entry), Elements(entry)).Memory
            : throw WrongType(entry, "I8");
    }

    /// <summary>A hint that a tensor will not be read soon: its pages are no longer counted as this process's memory.
    /// They may be read again at any time, from the page cache or from disk.</summary>
    public void LetGo(TensorEntry entry)
    {
        if (!OperatingSystem.IsWindows()) Advise(entry, DontNeed);
    }

    /// <summary>A hint that a tensor will be read here and there, again and again: its pages are mapped now and all at once, and not
    /// one after the other when they are read.</summary>
    public void BringIn(TensorEntry entry)
    {
        if (OperatingSystem.IsLinux()) Advise(entry, PopulateRead);
    }

    private void Advise(TensorEntry entry, int advice)
    {
        // whole pages inside the tensor
        long page = Environment.SystemPageSize, from = ((long)At(entry) + page - 1) / page * page,
            to = ((long)At(entry) + entry.Length) / page * page;
        if (to > from) _ = Advise((IntPtr)from, (nuint)(to - from), advice);
    }

    public void Dispose() => _file.Dispose();

    internal void ThrowIfDisposed() => _file.ThrowIfDisposed();

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(IntPtr address, nuint length, int advice);

    private TensorEntry Find(string name) => _header.Tensors.TryGetValue(name, out var entry) ? entry : throw new CheckpointException(Path,
        $"has no tensor {DisplayText.QuotedName(name)}; check that the file is of the expected kind.");

    private byte* At(TensorEntry entry) => _file.Start + entry.Offset;

    private int Elements(TensorEntry entry) => entry.Count <= Array.MaxLength ? (int)entry.Count : throw new CheckpointException(Path,
        $"tensor {DisplayText.QuotedName(entry.Name)} has {entry.Count} elements, "
        + $"more than the {Array.MaxLength} that can be read at once.");

    private CheckpointException WrongType(TensorEntry entry, string wanted) => new(Path,
        $"tensor {DisplayText.QuotedName(entry.Name)} has type {entry.Type} and cannot be read as {wanted}; save it as {wanted}.");
}
