using System.Collections.Frozen;
using OnnxAttribution.Onnx.Proto;
using static OnnxAttribution.Onnx.Proto.TensorProto.Types;

namespace OnnxAttribution.Tests.Reference;

/// <summary>
/// Evaluates an ONNX graph node by node in double precision, by the definition of each operator (opset 20, RMSNormalization of 23):
/// the oracle that shares no code with the product. Casts between floating-point types do not round, so that differences stay smooth.
/// </summary>
internal static partial class DoubleInterpreter
{
    private delegate DoubleTensor[] Operator(OperatorCall call);

    private static readonly FrozenDictionary<string, Operator> Table = new[]
        { Elementwise(), Products(), Normalizations(), Reductions(), Layout(), Indexing(), Generators() }
        .SelectMany(family => family).ToFrozenDictionary();

    public static IEnumerable<string> Operators => Table.Keys;

    /// <summary>Every named value of the graph: inputs, initializers, intermediate values and outputs.</summary>
    /// <param name="inputs">The graph's inputs by name; one named like an initializer takes its place.</param>
    public static IReadOnlyDictionary<string, DoubleTensor> Run(GraphProto graph, IReadOnlyDictionary<string, DoubleTensor> inputs)
    {
        var values = graph.Initializer.ToDictionary(t => t.Name, DoubleTensor.Decode);
        foreach (var (name, value) in inputs) values[name] = value;
        foreach (var node in graph.Node)
        {
            var outputs = Evaluate(node, values);
            for (var i = 0; i < node.Output.Count; i++)
            {
                if (node.Output[i] != "") values[node.Output[i]] = outputs[i];
            }
        }
        return values;
    }

    private static DoubleTensor[] Evaluate(NodeProto node, Dictionary<string, DoubleTensor> values)
    {
        if (node.Domain is not ("" or "ai.onnx") || !Table.TryGetValue(node.OpType, out var evaluate))
        {
            throw new NotSupportedException($"The reference interpreter has no operator '{Qualified(node)}' (node '{node.Name}').");
        }
        var call = new OperatorCall(node, [.. node.Input.Select(name => name == "" ? null : Value(node, name, values))]);
        try
        {
            return [.. evaluate(call).Select((output, i) => output.AsInteger(IsInteger(call, output, i)))];
        }
        catch (Exception e) when (e is not NotSupportedException)
        {
            var shapes = Enumerable.Range(0, call.InputCount)
                .Select(i => $"{node.Input[i]} [{string.Join(", ", call.Optional(i)?.Shape ?? [])}]");
            throw new InvalidOperationException($"{node.OpType} '{node.Name}' ({string.Join(", ", shapes)}): {e.Message}", e);
        }
    }

    private static DoubleTensor Value(NodeProto node, string name, Dictionary<string, DoubleTensor> values) =>
        values.TryGetValue(name, out var value) ? value
        : throw new InvalidOperationException(
            $"{node.OpType} '{node.Name}' reads '{name}', which no input, initializer or earlier node gives.");

    private static string Qualified(NodeProto node) => node.Domain == "" ? node.OpType : $"{node.Domain}.{node.OpType}";

    /// <summary>Most operators keep the element type of their first input; the others are listed.</summary>
    private static bool IsInteger(OperatorCall call, DoubleTensor output, int i) => call.Operator switch
    {
        "Shape" or "Size" or "ArgMax" or "ArgMin" or "NonZero" => true,
        "TopK" when i == 1 => true,
        "Cast" => DoubleTensor.IsIntegerType((DataType)call.Int("to", 0)),
        "Constant" or "ConstantOfShape" => output.IsInteger,
        "EyeLike" when call.Attribute("dtype") is { } type => DoubleTensor.IsIntegerType((DataType)type.I),
        "Where" => call[1].IsInteger,
        "OneHot" => call[2].IsInteger,
        _ => call[0].IsInteger,
    };
}
