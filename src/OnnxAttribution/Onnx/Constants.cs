using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Google.Protobuf;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Constant tensors inside a graph, to and from the format's several encodings. Little-endian machines only.</summary>
internal static class Constants
{
    public static TensorProto Of(ReadOnlySpan<long> values, params long[] shape) =>
        Raw(DataType.Int64, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Of(ReadOnlySpan<float> values, params long[] shape) =>
        Raw(DataType.Float, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Of(ReadOnlySpan<bool> values, params long[] shape) =>
        Raw(DataType.Bool, MemoryMarshal.AsBytes(values), shape);

    /// <summary>A tensor that stays in another file: ONNX external data.</summary>
    /// <param name="location">Path relative to the .onnx file.</param>
    public static TensorProto External(DataType type, ReadOnlySpan<long> shape, string location, long offset, long length)
    {
        var t = new TensorProto { DataType = (int)type, DataLocation = TensorProto.Types.DataLocation.External };
        foreach (var n in shape) t.Dims.Add(n);
        t.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        t.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset.ToString() });
        t.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = length.ToString() });
        return t;
    }

    /// <summary>Null for types whose entries are no whole bytes, or strings.</summary>
    public static int? BytesPerEntry(DataType type) => type switch
    {
        DataType.Float or DataType.Int32 or DataType.Uint32 => 4,
        DataType.Double or DataType.Int64 or DataType.Uint64 => 8,
        DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 => 2,
        DataType.Int8 or DataType.Uint8 or DataType.Bool => 1,
        _ => null,
    };

    public static bool IsExternal(TensorProto t) => t.DataLocation == TensorProto.Types.DataLocation.External;

    /// <summary>The integers of a constant int64 or int32 tensor; null when it is no constant, external or of another type.</summary>
    public static long[]? Integers(Value v)
    {
        if (v.Content is { } content && content.All(d => d.Size is not null)) return [.. content.Select(d => d.Size!.Value)];
        return v.IsConstant && !IsExternal(v.Initializer!) ? Integers(v.Initializer!) : null;
    }

    /// <summary>Integers given as an attribute (older operator sets) or as a constant input; null where neither is there.</summary>
    public static long[]? IntsOf(this Op op, string attribute, int input) =>
        op.Ints(attribute) ?? (input < op.In.Count && op.In[input] is { } v ? Integers(v) : null);

    private static long[]? Integers(TensorProto t)
    {
        var raw = t.RawData.Span;
        switch ((DataType)t.DataType)
        {
            case DataType.Int64 when raw.Length > 0 || t.Int64Data.Count == 0: return MemoryMarshal.Cast<byte, long>(raw).ToArray();
            case DataType.Int64: return [.. t.Int64Data];
            case DataType.Int32 when raw.Length == 0: return [.. t.Int32Data.Select(i => (long)i)];
            case DataType.Int32:
                var result = new long[raw.Length / 4];
                for (var i = 0; i < result.Length; i++) result[i] = BinaryPrimitives.ReadInt32LittleEndian(raw[(4 * i)..]);
                return result;
            default: return null;
        }
    }

    /// <summary>The one number of a constant scalar; null when it is none.</summary>
    public static double? Scalar(Value v)
    {
        if (!v.IsConstant || IsExternal(v.Initializer!) || v.Initializer!.Dims.Aggregate(1L, (a, b) => a * b) != 1) return null;
        var t = v.Initializer!;
        return (DataType)t.DataType switch
        {
            DataType.Float => t.RawData.Length > 0 ? MemoryMarshal.Read<float>(t.RawData.Span) : t.FloatData[0],
            DataType.Double => t.RawData.Length > 0 ? MemoryMarshal.Read<double>(t.RawData.Span) : t.DoubleData[0],
            DataType.Int64 or DataType.Int32 => Integers(t)![0],
            DataType.Bool => t.RawData.Length > 0 ? t.RawData[0] : t.Int32Data[0],
            _ => null,
        };
    }

    private static TensorProto Raw(DataType type, ReadOnlySpan<byte> bytes, long[] shape)
    {
        var t = new TensorProto { DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
        t.Dims.AddRange(shape);
        return t;
    }
}
