using System.Runtime.InteropServices;
using Google.Protobuf;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>A foreign graph's constants on their way into a bundle: external ones stay in their files, which the bundle links; large ones that the graph file holds itself go to one file beside
/// it, for every derived graph would carry them otherwise.</summary>
/// <param name="source">The foreign .onnx file.</param>
internal sealed class ForeignWeights(string source)
{
    public const string FileName = "weights.bin";

    private const int LargestInline = 1024, Alignment = 64;

    private static readonly string[] s_taken = [BundleWriter.GraphFileName, BundleManifest.FileName, FileName];

    private readonly string _folder = Path.GetDirectoryName(Path.GetFullPath(source))!;
    private readonly SortedSet<string> _linked = new(StringComparer.Ordinal);
    private readonly List<(long Offset, ByteString Bytes)> _moved = [];
    private long _end;

    /// <summary>Files of external data, by their paths from the graph's.</summary>
    public IReadOnlyCollection<string> Linked => _linked;

    public bool MovesAny => _moved.Count > 0;

    /// <summary>The constant as the bundle's graph refers to it.</summary>
    /// <exception cref="BundleException">Its file is missing, too short or outside the model's directory.</exception>
    public TensorProto Place(TensorProto t)
    {
        if (Constants.IsExternal(t)) return Linking(t);
        if (BytesPerEntry(t) is not { } size) return t;
        var count = t.Dims.Aggregate(1L, (n, d) => checked(n * d));
        if (count * size <= LargestInline) return t;
        var bytes = t.RawData.Length > 0 ? t.RawData : Raw(t);
        if (bytes.Length != count * size) throw new BundleException($"{source}: tensor '{t.Name}' has {bytes.Length} bytes where its shape needs {count * size}; export the model again");
        var offset = (_end + Alignment - 1) / Alignment * Alignment;
        _end = offset + bytes.Length;
        _moved.Add((offset, bytes));
        return Constants.External((DataType)t.DataType, [.. t.Dims], FileName, offset, bytes.Length);
    }

    /// <summary>Links and writes what <see cref="Place"/> was asked for.</summary>
    public void Bring(string bundle)
    {
        foreach (var location in _linked)
        {
            var to = Path.Combine(bundle, location);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            FileLink.Make(Path.Combine(_folder, location), to);
        }
        if (!MovesAny)
        {
            File.Delete(Path.Combine(bundle, FileName));
            return;
        }
        OutputFile.Write(Path.Combine(bundle, FileName), stream =>
        {
            foreach (var (offset, bytes) in _moved)
            {
                stream.Write(new byte[offset - stream.Position]);
                bytes.WriteTo(stream);
            }
        });
    }

    private TensorProto Linking(TensorProto t)
    {
        string? Entry(string key) => t.ExternalData.FirstOrDefault(e => e.Key == key)?.Value;
        var location = (Entry("location") ?? "").Replace('\\', '/');
        if (location.StartsWith("./", StringComparison.Ordinal)) location = location[2..];
        var parts = location.Split('/');
        if (location.Length == 0 || Path.IsPathRooted(location) || parts.Contains("..") || parts.Contains("") || parts.Contains("."))
        {
            throw new BundleException($"{source}: tensor '{t.Name}' lies in '{location}', which is not in the model's directory; export the model again with its data beside it");
        }
        if (s_taken.Contains(location)) throw new BundleException($"{source}: its data lie in '{location}', a name that the bundle needs itself; export the model again with another name for its external data");
        var file = new FileInfo(Path.Combine(_folder, location));
        if (!file.Exists) throw new BundleException($"{file.FullName} is missing: it holds the data of tensor '{t.Name}'; put it beside {Path.GetFileName(source)}, or export the model again");
        var needed = BytesPerEntry(t) is { } size ? t.Dims.Aggregate(1L, (n, d) => checked(n * d)) * size
            : throw new BundleException($"{source}: tensor '{t.Name}' has a type ({(DataType)t.DataType}) that is not read from a file; export the model in float32");
        var offset = Number("offset") ?? 0;
        if (Number("length") is { } length && length != needed) throw new BundleException($"{source}: tensor '{t.Name}' has {length} bytes in {location} where its shape needs {needed}; export the model again");
        if (offset < 0 || offset > file.Length - needed) throw new BundleException($"{file.FullName} has {file.Length} bytes and ends before tensor '{t.Name}' does; copy or export it again");
        _linked.Add(location);
        return Constants.External((DataType)t.DataType, [.. t.Dims], location, offset, needed);

        long? Number(string key) => Entry(key) is not { } text ? null
            : long.TryParse(text, out var n) ? n : throw new BundleException($"{source}: tensor '{t.Name}' has the {key} '{text}'; export the model again");
    }

    private static int? BytesPerEntry(TensorProto t) => (DataType)t.DataType switch
    {
        DataType.Float or DataType.Int32 or DataType.Uint32 => 4,
        DataType.Double or DataType.Int64 or DataType.Uint64 => 8,
        DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 => 2,
        DataType.Int8 or DataType.Uint8 or DataType.Bool => 1,
        _ => null,
    };

    // the format's other encoding: a list of numbers; the narrow types share int32_data
    private static ByteString Raw(TensorProto t) => (DataType)t.DataType switch
    {
        DataType.Float => Bytes<float>([.. t.FloatData]),
        DataType.Double => Bytes<double>([.. t.DoubleData]),
        DataType.Int64 => Bytes<long>([.. t.Int64Data]),
        DataType.Int32 => Bytes<int>([.. t.Int32Data]),
        DataType.Uint64 => Bytes<ulong>([.. t.Uint64Data]),
        DataType.Uint32 => Bytes<uint>([.. t.Uint64Data.Select(n => (uint)n)]),
        DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 => Bytes<ushort>([.. t.Int32Data.Select(n => (ushort)n)]),
        _ => Bytes<byte>([.. t.Int32Data.Select(n => (byte)n)]),
    };

    private static ByteString Bytes<T>(T[] values) where T : struct => ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan()));
}
