using System.Runtime.InteropServices;
using OnnxAttribution.Onnx.Proto;
using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Reference;

internal sealed partial class DoubleTensor
{
    /// <summary>A stored tensor: typed fields or raw little-endian bytes of the file itself; external data is not read.</summary>
    public static DoubleTensor Decode(TensorProto tensor)
    {
        if (tensor.DataLocation == DataLocation.External)
        {
            throw new NotSupportedException(
                $"Tensor '{tensor.Name}' lies in another file; the reference interpreter reads only embedded tensors.");
        }
        var type = (DataType)tensor.DataType;
        var data = tensor.RawData.IsEmpty ? Typed(tensor, type) : Raw(tensor.RawData.Span, type);
        return new([.. tensor.Dims.Select(d => checked((int)d))], data, IsIntegerType(type));
    }

    public static bool IsIntegerType(DataType type) =>
        type is DataType.Int64 or DataType.Int32 or DataType.Int16 or DataType.Int8
            or DataType.Uint64 or DataType.Uint32 or DataType.Uint16 or DataType.Uint8;

    private static double[] Typed(TensorProto tensor, DataType type) => type switch
    {
        DataType.Float => [.. tensor.FloatData.Select(x => (double)x)],
        DataType.Double => [.. tensor.DoubleData],
        DataType.Int64 => [.. tensor.Int64Data.Select(x => (double)x)],
        DataType.Float16 => [.. tensor.Int32Data.Select(x => (double)BitConverter.UInt16BitsToHalf((ushort)x))],
        DataType.Int32 or DataType.Int16 or DataType.Int8 or DataType.Uint16 or DataType.Uint8 or DataType.Bool
            => [.. tensor.Int32Data.Select(x => (double)x)],
        _ => throw new NotSupportedException(
            $"Tensor '{tensor.Name}' has element type {type}, which the reference interpreter does not read."),
    };

    private static double[] Raw(ReadOnlySpan<byte> bytes, DataType type) => type switch
    {
        DataType.Float => Widen<float>(bytes, x => x),
        DataType.Double => Widen<double>(bytes, x => x),
        DataType.Float16 => Widen<Half>(bytes, x => (double)x),
        DataType.Int64 => Widen<long>(bytes, x => x),
        DataType.Int32 => Widen<int>(bytes, x => x),
        DataType.Bool or DataType.Uint8 => Widen<byte>(bytes, x => x),
        _ => throw new NotSupportedException($"Raw data of element type {type} is not read by the reference interpreter."),
    };

    private static double[] Widen<T>(ReadOnlySpan<byte> bytes, Converter<T, double> widen) where T : unmanaged =>
        Array.ConvertAll(MemoryMarshal.Cast<byte, T>(bytes).ToArray(), widen);
}
