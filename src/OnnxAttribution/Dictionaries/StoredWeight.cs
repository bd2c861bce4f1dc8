using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dictionaries;

/// <summary>A weight of a safetensors file as a constant of a graph: it stays where it lies.</summary>
internal static class StoredWeight
{
    /// <param name="name">Of the constant.</param>
    /// <param name="location">The file, from the bundle's directory.</param>
    /// <returns>float32, of whatever type it is stored in.</returns>
    public static Value Of(GraphBuilder g, string name, TensorEntry entry, string location)
    {
        var type = entry.Type switch
        {
            TensorType.F16 => DataType.Float16,
            TensorType.BF16 => DataType.Bfloat16,
            TensorType.F64 => DataType.Double,
            _ => DataType.Float,
        };
        var stored = g.Constant(name, Constants.External(type, entry.Shape.AsSpan(), location, entry.Offset, entry.Length));
        return type == DataType.Float ? stored : g.Cast(stored, DataType.Float);
    }
}
