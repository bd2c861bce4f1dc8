using System.Collections;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace OnnxAttribution.Files;

/// <summary>A list of plain records, which lies in memory up to a bound and beyond it in a file.</summary>
/// <remarks>The file loses its name as soon as it is made: it ends with the list, or with the program however that ends. On Windows, which
/// takes no name from an open file, the system removes it when it is closed.</remarks>
internal sealed class RecordSpill<T>(SpillRoom room) : IReadOnlyList<T>, IDisposable where T : unmanaged
{
    private const int BlockLength = 1 << 12;

    private readonly string _directory = room.Directory ?? Path.GetTempPath();
    private readonly int _most = (int)Math.Min(int.MaxValue, room.Bytes / (BlockLength * Size));
    private readonly List<T[]> _blocks = [];
    private (int Block, T[] Records) _read = (-1, []);
    private SafeFileHandle? _file;
    private T[] _last = [];
    private int _full;

    private static unsafe int Size => sizeof(T);

    /// <inheritdoc/>
    public int Count { get; private set; }

    /// <summary>Some of it lies in a file.</summary>
    public bool IsSpilled => _file is not null;

    /// <inheritdoc/>
    /// <remarks>Quick along the list, forward or backward.</remarks>
    public T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return Block(index / BlockLength)[index % BlockLength];
        }
    }

    /// <summary>Adds a record behind all others.</summary>
    /// <exception cref="SpillException">The file cannot be written.</exception>
    public void Add(T record)
    {
        var at = Count % BlockLength;
        if (at == 0 && Count > 0) Store();
        if (at == _last.Length) Array.Resize(ref _last, Math.Min(BlockLength, Math.Max(16, 2 * at)));
        _last[at] = record;
        Count++;
    }

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator()
    {
        for (var i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Ends the file.</summary>
    public void Dispose() => _file?.Dispose();

    private T[] Block(int block)
    {
        if (block == _full) return _last;
        if (block < _blocks.Count) return _blocks[block];
        if (block == _read.Block) return _read.Records;
        var records = _read.Records.Length > 0 ? _read.Records : new T[BlockLength];
        _read.Block = -1;
        Told(() =>
        {
            var (done, at) = (0, Place(block));
            while (done < BlockLength * Size)
            {
                var read = RandomAccess.Read(_file!, MemoryMarshal.AsBytes(records.AsSpan())[done..], at + done);
                if (read == 0) throw new EndOfStreamException();
                done += read;
            }
        });
        _read = (block, records);
        return records;
    }

    private void Store()
    {
        if (_blocks.Count < _most)
        {
            _blocks.Add(_last);
            _last = new T[BlockLength];
        }
        else
        {
            Told(() => RandomAccess.Write(_file ??= Nameless(), MemoryMarshal.AsBytes(_last.AsSpan()), Place(_full)));
        }
        _full++;
    }

    private long Place(int block) => (long)(block - _blocks.Count) * BlockLength * Size;

    private SafeFileHandle Nameless()
    {
        Directory.CreateDirectory(_directory);
        var path = Path.Combine(_directory, $".onnx-attribution.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.spill");
        var isRemoved = OperatingSystem.IsWindows();
        var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None,
            isRemoved ? FileOptions.DeleteOnClose : FileOptions.None);
        try
        {
            if (!isRemoved) FileStep.Remove(path);
            return file;
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }
    }

    private void Told(Action step)
    {
        try
        {
            step();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpillException(_directory, e);
        }
    }
}
