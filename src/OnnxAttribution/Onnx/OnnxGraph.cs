using System.Collections.Frozen;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>A graph as the values that it is asked for. Operators are found by walking back from the outputs,
/// so what nothing needs is not there.</summary>
internal sealed class OnnxGraph(IReadOnlyList<Value> inputs, IReadOnlyList<Value> outputs)
{
    /// <summary>Operator set that new graphs are written in.</summary>
    public const int Opset = 20;

    // operators that are younger: a graph that has one is written in its operator set
    private static readonly FrozenDictionary<string, int> s_since = new Dictionary<string, int>
    {
        ["RMSNormalization"] = 23,
        ["Attention"] = 23,
        ["RotaryEmbedding"] = 23,
        ["Swish"] = 24
    }.ToFrozenDictionary();

    public IReadOnlyList<Value> Inputs { get; } = inputs;
    public IReadOnlyList<Value> Outputs { get; } = outputs;
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
    public int OpsetVersion { get; init; } = Opset;

    /// <summary>Inputs that may be given with batch 1 where others have more, or with other numbers of nodes;
    /// their symbolic axes are declared apart, for the runtime plans memory by equal names.</summary>
    public IReadOnlySet<Value> Broadcast { get; init; } = new HashSet<Value>();

    /// <summary>Every named value of a graph that was read, outputs or not.</summary>
    public IReadOnlyDictionary<string, Value> Values { get; init; } = new Dictionary<string, Value>();

    public Value this[string name] =>
        Values.TryGetValue(name, out var v) ? v : throw new GraphException($"the graph has no tensor '{name}'");

    /// <summary>Operators needed for the outputs, each after those it reads;
    /// the walk stops at the graph's inputs, also where these are inner values of a larger graph.</summary>
    public IReadOnlyList<Op> Ops() => Topology.Between(Inputs, Outputs);

    /// <param name="sizes">Sizes for symbolic axes, such as batch = 1.</param>
    /// <param name="everyOpenAxis">One size for all axes of inputs that have none;
    /// then what the file says about other tensors does not count.</param>
    public static OnnxGraph FromProto(ModelProto model, IReadOnlyDictionary<string, long>? sizes = null, long? everyOpenAxis = null)
    {
        var graph = model.Graph ?? throw new GraphException("the ONNX file has no graph; export it again");
        var values = new Dictionary<string, Value>();
        var initializers = new Dictionary<string, TensorProto>();
        foreach (var t in graph.Initializer)
        {
            if (!initializers.TryAdd(t.Name, t)) throw new GraphException($"the graph has two tensors named '{t.Name}'; export it again");
        }
        var declared = everyOpenAxis is not null
            ? []
            : graph.ValueInfo.Concat(graph.Output).GroupBy(v => v.Name).ToDictionary(g => g.Key, g => FromInfo(g.First(), sizes));
        var builder = new GraphBuilder();
        var inputs = new List<Value>();
        foreach (var info in graph.Input)
        {
            var v = FromInfo(info, sizes);
            var shape = everyOpenAxis is { } n ? Closed(v.Shape ?? initializers.GetValueOrDefault(info.Name)?.Dims.Select(Dim.Of).ToArray()
                ?? [Dim.Unknown, Dim.Unknown], n) : v.Shape;
            var input = new Value(v.Name, v.Type, shape) { IsInput = true, Initializer = initializers.GetValueOrDefault(info.Name) };
            if (!values.TryAdd(info.Name, input))
            {
                throw new GraphException($"the graph has two inputs named '{info.Name}'; export it again");
            }
            inputs.Add(input);
        }
        foreach (var t in graph.Initializer) values.TryAdd(t.Name, builder.Constant(t.Name, t));
        foreach (var node in graph.Node) AddNode(node, values, declared, builder);
        var outputs = graph.Output.Select(o =>
            values.TryGetValue(o.Name, out var v) ? v : throw new GraphException($"the graph's output '{o.Name}' is made by no node"));
        return new OnnxGraph(inputs, [.. outputs])
        {
            Values = values,
            Metadata = model.MetadataProps.GroupBy(p => p.Key).ToDictionary(g => g.Key, g => g.First().Value),
            OpsetVersion = (int)(model.OpsetImport.FirstOrDefault(o => o.Domain.Length == 0)?.Version ?? Opset),
        };
    }

    private static void AddNode(NodeProto node, Dictionary<string, Value> values, Dictionary<string, Value> declared, GraphBuilder builder)
    {
        if (node.Output.All(n => n.Length == 0))
        {
            throw new GraphException($"{node.OpType} '{node.Name}' yields nothing; export the model again");
        }
        foreach (var n in node.Output)
        {
            if (n.Length > 0 && values.ContainsKey(n))
            {
                throw new GraphException($"{node.OpType} '{node.Name}' yields '{n}', which the graph has already: "
                    + "a tensor is made once; export the model again");
            }
        }
        if (node.OpType == "Constant" && node.Attribute.FirstOrDefault(a => a.Name == "value") is { T: { } tensor })
        {
            values[node.Output[0]] = builder.Constant(node.Output[0], tensor.Clone());
            return;
        }
        var inputs = node.Input.Select(n => n.Length == 0 ? null : values.TryGetValue(n, out var v) ? v
            : throw new GraphException(
                $"{node.OpType} '{node.Name}' reads '{n}', which nothing before it makes: the nodes are not in order or one is missing"))
            .ToArray();
        var op = new Op(node.OpType, node.Domain, node.Name, inputs,
            node.Attribute.GroupBy(a => a.Name).ToDictionary(a => a.Key, a => a.Last()));
        var made = GraphBuilder.Attach(op, [.. node.Output], declared.GetValueOrDefault);
        foreach (var v in made)
        {
            if (v is not null) values[v.Name] = v;
        }
    }

    private static Dim[] Closed(Dim[] shape, long open) => [.. shape.Select(d => d.Size is null ? Dim.Of(open) : d)];

    private static Value FromInfo(ValueInfoProto info, IReadOnlyDictionary<string, long>? sizes)
    {
        var tensor = info.Type?.TensorType;
        var shape = tensor?.Shape?.Dim.Select(d => d.ValueCase switch
        {
            TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue => d.DimValue < 0 ? Dim.Unknown : Dim.Of(d.DimValue),
            TensorShapeProto.Types.Dimension.ValueOneofCase.DimParam =>
                sizes is not null && sizes.TryGetValue(d.DimParam, out var n) ? Dim.Of(n) : Dim.Named(d.DimParam),
            _ => Dim.Unknown,
        }).ToArray();
        return new Value(info.Name, (DataType)(tensor?.ElemType ?? 0), shape);
    }

    /// <summary>The graph as a file holds it; inputs that nothing reads are left out.</summary>
    public ModelProto ToProto(string producer = "OnnxAttribution")
    {
        var graph = new GraphProto { Name = "graph" };
        var boundary = Inputs.ToHashSet();
        var constants = new HashSet<Value>();
        var read = Outputs.ToHashSet();
        var opset = OpsetVersion;
        var names = new HashSet<string>();
        foreach (var op in Ops())
        {
            opset = Math.Max(opset, s_since.GetValueOrDefault(op.Type));
            // a node needs no name, but the runtime takes no two of one name
            graph.Node.Add(Node(op, names.Add(op.Name) ? op.Name : ""));
            foreach (var v in op.In)
            {
                if (v is null) continue;
                read.Add(v);
                if (boundary.Contains(v)) continue;
                if (v is { IsInput: true }) throw new GraphException($"the cut leaves input '{v.Name}' open");
                if (v.IsConstant && constants.Add(v)) graph.Initializer.Add(v.Initializer);
            }
        }
        foreach (var v in Outputs)
        {
            if (v.IsConstant && constants.Add(v)) graph.Initializer.Add(v.Initializer);
        }
        foreach (var v in Inputs.Where(read.Contains))
        {
            graph.Input.Add(Info(v, Broadcast.Contains(v) ? v.Name + "." : ""));
            if (v is { IsInput: true, Initializer: { } t }) graph.Initializer.Add(t);
        }
        graph.Output.AddRange(Outputs.Select(v => Info(v, "")));
        var model = new ModelProto { IrVersion = 9, ProducerName = producer, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
        model.MetadataProps.AddRange(Metadata.Select(p => new StringStringEntryProto { Key = p.Key, Value = p.Value }));
        return model;
    }

    private static NodeProto Node(Op op, string name)
    {
        var node = new NodeProto { OpType = op.Type, Domain = op.Domain, Name = name };
        node.Input.AddRange(op.In.Select(v => v?.Name ?? ""));
        node.Output.AddRange(op.Out.Select(v => v?.Name ?? ""));
        node.Attribute.AddRange(op.Attributes.Values);
        return node;
    }

    /// <param name="prefix">Begins the names of open axes.</param>
    internal static ValueInfoProto Info(Value v, string prefix)
    {
        var tensor = new TypeProto.Types.Tensor { ElemType = (int)v.Type };
        if (v.Shape is { } shape)
        {
            tensor.Shape = new TensorShapeProto();
            foreach (var d in shape)
            {
                var dim = new TensorShapeProto.Types.Dimension();
                if (d.Size is { } n) dim.DimValue = n;
                else if (d.Symbol is { } s) dim.DimParam = prefix + s;
                tensor.Shape.Dim.Add(dim);
            }
        }
        return new ValueInfoProto { Name = v.Name, Type = new TypeProto { TensorType = tensor } };
    }
}
