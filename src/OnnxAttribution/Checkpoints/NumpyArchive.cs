using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>Arrays as <c>numpy.savez</c> writes them: a zip archive of .npy files, read where they lie.
/// Owns the mapping; who opens one disposes it.</summary>
/// <remarks>Source: numpy/lib/format.py, versions 1.0 to 3.0.</remarks>
internal sealed partial class NumpyArchive : IDisposable
{
    private readonly MappedFile _file;

    private NumpyArchive(MappedFile file)
    {
        _file = file;
        Arrays = StoredZip.Read(file)
            .Where(e => e.Key.EndsWith(".npy", StringComparison.Ordinal))
            .ToFrozenDictionary(e => e.Key[..^4], e => Array(e.Key[..^4], e.Value));
    }

    public string Path => _file.Path;

    public FrozenDictionary<string, StridedTensor> Arrays { get; }

    /// <exception cref="CheckpointException">It is missing, damaged or compressed,
    /// or an array is of Python objects or of a type that is not known.</exception>
    public static NumpyArchive Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new NumpyArchive(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    // such as {'descr': '<f4', 'fortran_order': False, 'shape': (2304, 16384), }
    [GeneratedRegex(@"^\{'descr': '(?<type>[^']*)', 'fortran_order': (?<fortran>True|False), 'shape': \((?<shape>[0-9, ]*)\), \}\s*$",
        RegexOptions.CultureInvariant)]
    private static partial Regex Header { get; }

    private StridedTensor Array(string name, StoredZip.Entry entry)
    {
        var prefix = _file[entry.Offset, (int)Math.Min(12, entry.Length)];
        if (prefix.Length < 10 || prefix[0] != 0x93 || !prefix[1..6].SequenceEqual("NUMPY"u8)) throw Damaged(name);
        var wide = prefix[6] >= 2;
        if (wide && prefix.Length < 12) throw Damaged(name);
        long length = wide ? BinaryPrimitives.ReadUInt32LittleEndian(prefix[8..]) : BinaryPrimitives.ReadUInt16LittleEndian(prefix[8..]);
        var start = wide ? 12 : 10;
        if (length > 1 << 16 || start + length > entry.Length) throw Damaged(name);
        var header = Header.Match(Encoding.Latin1.GetString(_file[entry.Offset + start, (int)length]));
        if (!header.Success)
        {
            throw new CheckpointException(Path, $"array {DisplayText.QuotedName(name)} is of no plain type; save it as float32.");
        }
        var type = TypeOf(name, header.Groups["type"].Value);
        var axes = ShapeOf(name, header.Groups["shape"].Value, entry.Length);
        if (start + length + (axes.Aggregate((Int128)1, (n, a) => n * a) * type.Size()) > entry.Length) throw Damaged(name);
        var strides = StridedTensor.RowMajor(axes);
        if (header.Groups["fortran"].Value == "True")
        {
            strides = StridedTensor.RowMajor([.. axes.Reverse()]);
            strides.AsSpan().Reverse();
        }
        return new StridedTensor(_file, name, type, entry.Offset + start + length, axes, strides);
    }

    private TensorType TypeOf(string name, string type) => type switch
    {
        "<f4" => TensorType.F32,
        "<f8" => TensorType.F64,
        "<f2" => TensorType.F16,
        "<i8" => TensorType.I64,
        "<i4" => TensorType.I32,
        var other => throw new CheckpointException(Path,
            $"array {DisplayText.QuotedName(name)} has type {DisplayText.QuotedName(other)}; save it as float32."),
    };

    private long[] ShapeOf(string name, string sizes, long most)
    {
        var shape = new List<long>();
        Int128 count = 1;
        foreach (var size in sizes.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var s)) throw Damaged(name);
            shape.Add(s);
            count *= s;
            if (count > most) throw Damaged(name);
        }
        return [.. shape];
    }

    private CheckpointException Damaged(string name) =>
        new(Path, $"array {DisplayText.QuotedName(name)} is damaged; download the file again.");
}
