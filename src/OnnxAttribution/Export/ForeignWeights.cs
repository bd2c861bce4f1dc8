using System.Runtime.InteropServices;
using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>A foreign graph's constants on their way into a bundle: external ones stay in their files, which the bundle links;
/// large ones that the graph file holds itself go to one file beside it, for every derived graph would carry them otherwise.</summary>
/// <param name="source">The foreign .onnx file.</param>
internal sealed class ForeignWeights(string source)
{
    public const string FileName = "weights.bin";

    private const int LargestInline = 1024, Alignment = 64;

    private static readonly string[] s_taken = [BundleManifest.GraphFileName, BundleManifest.FileName, FileName];

    private readonly string _folder = Path.GetDirectoryName(Path.GetFullPath(source))!;
    private readonly SortedSet<string> _linked = new(StringComparer.Ordinal);
    private readonly List<(long Offset, ByteString Bytes)> _moved = [];

    // a constant inside a function is one, however often the function is called
    private readonly Dictionary<ByteString, long> _places = new(ReferenceEqualityComparer.Instance);
    private long _end;

    /// <summary>Files of external data, by their paths from the graph's.</summary>
    public IReadOnlyCollection<string> Linked => _linked;

    public bool MovesAny => _moved.Count > 0;

    /// <summary>The constant as the bundle's graph refers to it.</summary>
    /// <exception cref="BundleException">Its file is missing, too short or outside the model's directory.</exception>
    public TensorProto Place(TensorProto t)
    {
        if (Constants.IsExternal(t)) return Linking(t);
        if (Constants.BytesPerEntry((DataType)t.DataType) is not { } size || t.Dims.Aggregate(1L, (n, d) => n * d) * size <= LargestInline)
        {
            return t;
        }
        var bytes = t.RawData.Length > 0 ? t.RawData : Raw(t);
        if (_places.TryGetValue(bytes, out var known))
        {
            return Constants.External((DataType)t.DataType, [.. t.Dims], FileName, known, bytes.Length);
        }
        var offset = (_end + Alignment - 1) / Alignment * Alignment;
        _end = offset + bytes.Length;
        _moved.Add((offset, bytes));
        _places[bytes] = offset;
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
        if (!MovesAny) return;
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
        var data = ExternalData.Of(source, t);
        if (s_taken.Contains(data.Location))
        {
            throw new BundleException($"{source}: its data lie in '{data.Location}', a name that the bundle needs itself; "
                + "export the model again with another name for its external data");
        }
        _linked.Add(data.Location);
        return Constants.External((DataType)t.DataType, [.. t.Dims], data.Location, data.Offset, data.Length);
    }

    // the format's other encoding: a list of numbers; the narrow types share int32_data
    private static ByteString Raw(TensorProto t) => (DataType)t.DataType switch
    {
        DataType.Float => Bytes<float>([.. t.FloatData]),
        DataType.Double => Bytes<double>([.. t.DoubleData]),
        DataType.Int64 => Bytes<long>([.. t.Int64Data]),
        DataType.Int32 => Bytes<int>([.. t.Int32Data]),
        DataType.Uint64 => Bytes<ulong>([.. t.Uint64Data]),
        DataType.Uint32 => Bytes<uint>([.. t.Uint64Data.Select(n => (uint)n)]),
        DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 =>
            Bytes<ushort>([.. t.Int32Data.Select(n => (ushort)n)]),
        _ => Bytes<byte>([.. t.Int32Data.Select(n => (byte)n)]),
    };

    private static ByteString Bytes<T>(T[] values) where T : struct => ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan()));
}
