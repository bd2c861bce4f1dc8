using System.Runtime.InteropServices;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>A constant of 16 bits, wherever it lies, on its way to float32.</summary>
/// <param name="source">The .onnx file.</param>
internal sealed class HalfTensor(string source, TensorProto half)
{
    private const int Part = 1 << 20;

    // what scalars of GELU's formulas were before they were rounded: √2, 1/√2, √(2/π) and the others as they are
    private static readonly float[] s_known = [1.41421356f, 0.707106781f, 0.797884561f, 0.044715f, 1.702f];

    public long Entries => ConstantBytes.Entries(half);

    /// <summary>Its numbers as float32, a part at a time.</summary>
    public void WriteTo(Stream stream)
    {
        using var from = ConstantBytes.Open(source, half);
        var bytes = new byte[Math.Min(2 * Entries, Part)];
        var numbers = new float[bytes.Length / 2];
        for (var left = 2 * Entries; left > 0; left -= bytes.Length)
        {
            var part = bytes.AsSpan(0, (int)Math.Min(left, bytes.Length));
            from.ReadExactly(part);
            FloatBytes.ToFloats(part, (DataType)half.DataType == DataType.Float16 ? TensorType.F16 : TensorType.BF16,
                numbers.AsSpan(0, part.Length / 2));
            stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan(0, part.Length / 2)));
        }
    }

    /// <summary>All of it in memory.</summary>
    /// <param name="isOfFormula">Whether it scales what an activation function reads: a single number that is what 16 bits leave of one of
    /// GELU's is that one.</param>
    public TensorProto Whole(bool isOfFormula)
    {
        using var stream = new MemoryStream();
        WriteTo(stream);
        var numbers = MemoryMarshal.Cast<byte, float>(stream.ToArray()).ToArray();
        if (isOfFormula && numbers is [var one]) numbers[0] = Exact(one);
        return Constants.Of(numbers, [.. half.Dims]);
    }

    // the number that a formula has, where this one is what 16 bits leave of it
    private float Exact(float number) => s_known.FirstOrDefault(k => Rounded(k) == number) is var known and not 0 ? known : number;

    private float Rounded(float number)
    {
        if ((DataType)half.DataType == DataType.Float16) return (float)(Half)number;
        var bits = BitConverter.SingleToUInt32Bits(number);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}
