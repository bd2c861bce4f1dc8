using System.Runtime.InteropServices;
using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>The bytes of a foreign graph's constants, wherever they lie.</summary>
internal static class ConstantBytes
{
    public static long Entries(TensorProto t) => t.Dims.Aggregate(1L, (n, d) => n * d);

    /// <summary>From its first byte on; of a file of external data, more may follow.</summary>
    /// <param name="source">The .onnx file.</param>
    /// <exception cref="BundleException">Its file is missing, too short or outside the model's directory.</exception>
    public static Stream Open(string source, TensorProto t)
    {
        if (!Constants.IsExternal(t)) return new MemoryStream((t.RawData.Length > 0 ? t.RawData : Listed(t)).ToByteArray());
        var data = ExternalData.Of(source, t);
        var stream = RegularFile.OpenRead(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(source))!, data.Location));
        stream.Position = data.Offset;
        return stream;
    }

    /// <summary>Of a constant in the format's other encoding: a list of numbers; the narrow types share int32_data.</summary>
    public static ByteString Listed(TensorProto t) => (DataType)t.DataType switch
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
