using Google.Protobuf;
using OnnxAttribution.Onnx.Proto;
using static OnnxAttribution.Onnx.Proto.AttributeProto.Types;
using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Reference;

/// <summary>
/// Writes a small test graph, a line per value:
/// <c>new GraphSketch().Input("x", 2, 3).Ints("axes", -1).Node("z = ReduceSum(x, axes)", ("keepdims", 0)).ToGraph()</c>.
/// </summary>
internal sealed class GraphSketch
{
    private readonly GraphProto _graph = new() { Name = "sketch" };

    /// <summary>A float32 input of fixed shape.</summary>
    public GraphSketch Input(string name, params int[] shape)
    {
        _graph.Input.Add(Info(name, DataType.Float, shape));
        return this;
    }

    public GraphSketch Floats(string name, int[] shape, params float[] values)
    {
        var tensor = Initializer(name, DataType.Float, shape);
        tensor.FloatData.AddRange(values);
        return this;
    }

    /// <summary>A float32 initializer drawn from [−1, 1), the same for the same place in the sketch.</summary>
    public GraphSketch Weights(string name, params int[] shape)
    {
        var random = new Random(_graph.Initializer.Count);
        return Floats(name, shape, [.. Enumerable.Range(0, DoubleTensor.Count(shape)).Select(_ => 2 * random.NextSingle() - 1)]);
    }

    public GraphSketch Scalar(string name, float value) => Floats(name, [], value);

    public GraphSketch Scalar(string name, long value) => Ints(name, [], value);

    /// <summary>A one-dimensional int64 initializer: axes, sizes, a shape.</summary>
    public GraphSketch Ints(string name, params long[] values) => Ints(name, [values.Length], values);

    public GraphSketch Ints(string name, int[] shape, params long[] values)
    {
        var tensor = Initializer(name, DataType.Int64, shape);
        tensor.Int64Data.AddRange(values);
        return this;
    }

    public GraphSketch Bools(string name, int[] shape, params bool[] values)
    {
        var tensor = Initializer(name, DataType.Bool, shape);
        tensor.Int32Data.AddRange(values.Select(v => v ? 1 : 0));
        return this;
    }

    /// <summary>A node written as its equation: <c>"a, b = Split(x, sizes)"</c>,
    /// <c>"z = Clip(x, , high)"</c> with an input left out.</summary>
    /// <param name="attributes">An int, float, string, int[], DataType or TensorProto by name.</param>
    public GraphSketch Node(string equation, params (string Name, object Value)[] attributes)
    {
        var parts = equation.Split(['=', '(', ')'], StringSplitOptions.TrimEntries);
        var node = new NodeProto { Name = $"node {_graph.Node.Count}: {equation}", OpType = parts[1] };
        node.Output.AddRange(Names(parts[0]));
        node.Input.AddRange(Names(parts[2]));
        node.Attribute.AddRange(attributes.Select(a => Attribute(a.Name, a.Value)));
        _graph.Node.Add(node);
        return this;
    }

    /// <summary>As <see cref="Node"/>, of an operator of ONNX Runtime's own domain.</summary>
    public GraphSketch Contrib(string equation, params (string Name, object Value)[] attributes)
    {
        Node(equation, attributes);
        _graph.Node[^1].Domain = "com.microsoft";
        return this;
    }

    /// <summary>The graph with one float32 output; its shape is left to whoever reads the graph.</summary>
    public GraphProto ToGraph(string output = "z")
    {
        var graph = _graph.Clone();
        graph.Output.Add(Info(output, DataType.Float, shape: null));
        return graph;
    }

    /// <summary>The graph as a file that ONNX Runtime loads: opset 20, or 23 where an operator asks for it; IR version 9.</summary>
    public static ModelProto ToModel(GraphProto graph) =>
        new()
        {
            IrVersion = 9,
            Graph = graph,
            OpsetImport =
            {
                new OperatorSetIdProto { Domain = "", Version = graph.Node.Any(n => n.OpType == "RMSNormalization") ? 23 : 20 },
                new OperatorSetIdProto { Domain = "com.microsoft", Version = 1 }
            }
        };

    private TensorProto Initializer(string name, DataType type, int[] shape)
    {
        var tensor = new TensorProto { Name = name, DataType = (int)type, Dims = { shape.Select(d => (long)d) } };
        _graph.Initializer.Add(tensor);
        return tensor;
    }

    private static string[] Names(string list) => list == "" ? [] : list.Split(',', StringSplitOptions.TrimEntries);

    private static ValueInfoProto Info(string name, DataType type, int[]? shape)
    {
        var tensor = new TypeProto.Types.Tensor { ElemType = (int)type };
        if (shape is not null)
        {
            tensor.Shape = new TensorShapeProto { Dim = { shape.Select(d => new TensorShapeProto.Types.Dimension { DimValue = d }) } };
        }
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = tensor } };
    }

    private static AttributeProto Attribute(string name, object value) => value switch
    {
        int i => new() { Name = name, Type = AttributeType.Int, I = i },
        DataType type => new() { Name = name, Type = AttributeType.Int, I = (int)type },
        float f => new() { Name = name, Type = AttributeType.Float, F = f },
        string s => new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(s) },
        long i => new() { Name = name, Type = AttributeType.Int, I = i },
        int[] ints => new() { Name = name, Type = AttributeType.Ints, Ints = { ints.Select(i => (long)i) } },
        TensorProto t => new() { Name = name, Type = AttributeType.Tensor, T = t },
        _ => throw new ArgumentException($"An attribute '{name}' of {value.GetType().Name} cannot be sketched."),
    };
}
