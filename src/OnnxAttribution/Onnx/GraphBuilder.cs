using Google.Protobuf;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Makes values: inputs, constants and operators, each with its shape inferred. Methods are named as ONNX operators are.</summary>
/// <param name="prefix">Begins the names of new values, so that they cannot collide with those of the graph they are added to.</param>
internal sealed partial class GraphBuilder(string prefix = "")
{
    private readonly Dictionary<string, Value> _constants = [];
    private int _count;

    // a width that a file claims
    private const int WidestRow = 1 << 24;

    public Value Input(string name, DataType type, params Dim[] shape) => new(name, type, shape) { IsInput = true };

    /// <summary>A graph input that need not be given.</summary>
    public Value InputWithDefault(string name, TensorProto content, params Dim[] shape) =>
        new(name, (DataType)content.DataType, shape) { IsInput = true, Initializer = Named(content, name) };

    public Value Constant(string name, TensorProto content) =>
        new(name, (DataType)content.DataType, [.. content.Dims.Select(Dim.Of)])
        {
            Initializer = Named(content, name),
            Content = content.Dims.Count <= 1 && !Constants.IsExternal(content) && (DataType)content.DataType == DataType.Int64
                && content.Dims.FirstOrDefault() <= ShapeInference.MostContent ? IntegerContent(content) : null,
        };

    public Value Scalar(float value) => Cached($"{prefix}f{BitConverter.SingleToInt32Bits(value):x}", () => Constants.Of([value]));

    public Value Ints(params long[] values) => Cached($"{prefix}i{string.Join('_', values)}", () => Constants.Of(values, values.Length));

    /// <summary>float32 [width], all 1; the same value for the same width.</summary>
    public Value Ones(long width) => width > WidestRow
        ? throw new GraphException($"a norm over {width} entries; {WidestRow} is the most")
        : Cached($"{prefix}ones{width}", () => Constants.Of(Enumerable.Repeat(1f, (int)width).ToArray(), width));

    public Value Int(long value) => Cached($"{prefix}s{value}", () => Constants.Of([value]));

    /// <summary>Adds an operator with one output and returns it.</summary>
    public Value Emit(string type, Value?[] inputs, params (string Name, object Value)[] attributes) =>
        Emit(type, inputs, 1, attributes)[0];

    public Value[] Emit(string type, Value?[] inputs, int outputs, params (string Name, object Value)[] attributes)
    {
        var names = new string[outputs];
        for (var i = 0; i < outputs; i++) names[i] = $"{prefix}{type}_{_count++}";
        return Emit(type, inputs, names, attributes);
    }

    /// <summary>As above, with the outputs' names given.</summary>
    public Value[] Emit(string type, Value?[] inputs, string[] names, params (string Name, object Value)[] attributes)
    {
        var op = new Op(type, "", names[0], inputs, attributes.ToDictionary(a => a.Name, a => Attribute(a.Name, a.Value)));
        return Attach(op, names)!;
    }

    /// <summary>The same operator on other inputs.</summary>
    public Value[] Again(Op op, Value?[] inputs)
    {
        string[] names = [.. op.Out.Select(_ => $"{prefix}{op.Type}_{_count++}")];
        return Attach(new Op(op.Type, op.Domain, names[0], inputs, op.Attributes), names);
    }

    /// <summary>Infers the outputs of an operator and ties both together.</summary>
    internal static Value[] Attach(Op op, string?[] names, Func<string, Value?>? declared = null)
    {
        var inferred = op.Sound(() => ShapeInference.Infer(op, names.Length));
        var outputs = new Value[names.Length];
        for (var i = 0; i < names.Length; i++)
        {
            if (string.IsNullOrEmpty(names[i])) continue;
            var known = declared?.Invoke(names[i]!);
            var (type, shape, content) = inferred[i];
            outputs[i] = new Value(names[i]!, type == DataType.Undefined ? known?.Type ?? type : type, MostSpecific(shape, known?.Shape))
            {
                Producer = op,
                Content = content
            };
        }
        op.Yields(outputs);
        return outputs;
    }

    private static Dim[]? MostSpecific(Dim[]? inferred, Dim[]? declared)
    {
        if (inferred is null || declared is null || inferred.Length != declared.Length) return inferred ?? declared;
        return [.. inferred.Zip(declared,
            (a, b) => a.Size is not null || (a.Symbol is not null && b.Size is null) ? a : b.Size is null && b.Symbol is null ? a : b)];
    }

    private Value Cached(string name, Func<TensorProto> make)
    {
        if (!_constants.TryGetValue(name, out var v)) _constants[name] = v = Constant(name, make());
        return v;
    }

    private static TensorProto Named(TensorProto t, string name)
    {
        t.Name = name;
        return t;
    }

    private static Dim[]? IntegerContent(TensorProto t) =>
        Constants.Integers(new Value(t.Name, DataType.Int64, null) { Initializer = t }) is { } ints ? [.. ints.Select(Dim.Of)] : null;

    private static AttributeProto Attribute(string name, object value)
    {
        var a = new AttributeProto { Name = name };
        switch (value)
        {
            case int i: a.I = i; a.Type = AttributeProto.Types.AttributeType.Int; break;
            case long i: a.I = i; a.Type = AttributeProto.Types.AttributeType.Int; break;
            case float f: a.F = f; a.Type = AttributeProto.Types.AttributeType.Float; break;
            case string s: a.S = ByteString.CopyFromUtf8(s); a.Type = AttributeProto.Types.AttributeType.String; break;
            case TensorProto t: a.T = t; a.Type = AttributeProto.Types.AttributeType.Tensor; break;
            case long[] l: a.Ints.AddRange(l); a.Type = AttributeProto.Types.AttributeType.Ints; break;
            default: throw new ArgumentException($"attribute '{name}' has type {value.GetType().Name}", nameof(value));
        }
        return a;
    }
}
