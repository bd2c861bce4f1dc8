using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>A named tensor of a graph: what an operator yields, a graph input, or a constant.</summary>
/// <remarks>A graph is nothing but the values that can be reached from its outputs; several graphs may share values.</remarks>
internal sealed class Value(string name, DataType type, Dim[]? shape)
{
    public string Name { get; } = name;
    public DataType Type { get; } = type;

    /// <summary>Null where not even the rank is known.</summary>
    public Dim[]? Shape { get; } = shape;

    /// <summary>The operator that yields this value; null for inputs and constants.</summary>
    public Op? Producer { get; init; }

    /// <summary>The constant's content, inline or external; for a graph input its default.</summary>
    public Proto.TensorProto? Initializer { get; init; }

    /// <summary>A graph input may have an <see cref="Initializer"/> as its default and is no constant all the same.</summary>
    public bool IsInput { get; init; }

    public bool IsConstant => Initializer is not null && !IsInput;

    /// <summary>The same in every run: a constant, or one only converted (a weight kept in half precision).</summary>
    public bool IsFixed
    {
        get
        {
            var v = this;
            while (!v.IsConstant && v.Producer is { Type: "Cast" or "Identity" } p) v = p.In[0]!;
            return v.IsConstant;
        }
    }

    /// <summary>What a one-dimensional integer tensor holds, as far as it follows from shapes; null where it does not.</summary>
    public Dim[]? Content { get; init; }

    public int Rank => Shape?.Length
        ?? throw new GraphException(
            $"the rank of '{Name}' ({Producer?.Type ?? "input"}) is not known: add its shape to the model's value_info");

    public bool IsFloat => Type is DataType.Float or DataType.Double or DataType.Float16 or DataType.Bfloat16;

    public override string ToString() => $"{Name}[{(Shape is null ? "?" : string.Join(",", Shape))}]";
}
