using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Tests.Reference;

/// <summary>One node with the values of its inputs; an optional input left out is null.</summary>
internal sealed class OperatorCall(NodeProto node, DoubleTensor?[] inputs)
{
    public string Operator => node.OpType;
    public int InputCount => inputs.Length;
    public int OutputCount => node.Output.Count;
    public DoubleTensor this[int i] => Optional(i) ?? throw new InvalidOperationException($"input {i} is missing");

    public DoubleTensor? Optional(int i) => i < inputs.Length ? inputs[i] : null;

    public AttributeProto? Attribute(string name) => node.Attribute.FirstOrDefault(a => a.Name == name);

    public int Int(string name, int @default) => Attribute(name) is { } a ? checked((int)a.I) : @default;

    public bool Flag(string name, bool @default) => Int(name, @default ? 1 : 0) != 0;

    public double Float(string name, float @default) => Attribute(name)?.F ?? @default;

    public string Text(string name, string @default) => Attribute(name)?.S.ToStringUtf8() ?? @default;

    public int[]? Ints(string name) => Attribute(name) is { } a ? [.. a.Ints.Select(i => checked((int)i))] : null;

    /// <summary>A list of integers that is an input since some opset and was an attribute before it.</summary>
    public int[]? Ints(int input, string name) => Optional(input)?.ToInts() ?? Ints(name);

    /// <summary>The axis attribute, counted from the front.</summary>
    public int Axis(int rank, int @default) => FromFront(Int("axis", @default), rank);

    public static int FromFront(int axis, int rank) =>
        axis >= -rank && axis < rank ? (axis + rank) % rank : throw new InvalidOperationException($"axis {axis} is not one of rank {rank}");
}
