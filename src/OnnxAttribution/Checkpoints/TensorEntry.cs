using System.Collections.Immutable;

namespace OnnxAttribution.Checkpoints;

/// <summary>Where one tensor lies in a safetensors file.</summary>
/// <param name="Name">Its key in the header.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Shape">Row-major, outermost axis first; empty for a scalar.</param>
/// <param name="Offset">First byte, counted from the start of the file (not of the data section), as ONNX external data counts.</param>
/// <param name="Length">Bytes: elements times element size.</param>
internal sealed record TensorEntry(string Name, TensorType Type, ImmutableArray<long> Shape, long Offset, long Length)
{
    /// <summary>Number of elements; 1 for a scalar.</summary>
    public long Count => Length / Type.Size();

    /// <summary>The shape as messages write it: [768, 24576].</summary>
    public string ShapeText => CheckpointException.ShapeText(Shape.AsSpan());
}
