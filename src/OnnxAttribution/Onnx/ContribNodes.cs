using System.Collections.Frozen;
using OnnxAttribution.Onnx.Proto;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace OnnxAttribution.Onnx;

/// <summary>Replaces nodes of ONNX Runtime's own domain (com.microsoft, which its graph optimiser and exporters write) by standard nodes,
/// as far as that needs no shapes. What needs them is left to <see cref="OperatorLowering"/>.</summary>
/// <remarks>Definitions: ONNX Runtime's ContribOperators.md. Sums that are fused with a norm become tensors of their own, so that a site
/// at the residual stream is read by the norm as well.</remarks>
internal static class ContribNodes
{
    /// <summary>Operators that are taken apart when the shapes of what they read are known.</summary>
    public static FrozenSet<string> NeedShapes { get; } =
        FrozenSet.Create("Attention", "FusedMatMul", "GroupQueryAttention", "MultiHeadAttention", "RotaryEmbedding");

    private static readonly FrozenDictionary<string, Action<Expansion>> s_expansions = new Dictionary<string, Action<Expansion>>
    {
        ["BiasGelu"] = e => e.Make("Gelu", [e.Add(e.In(0), e.In(1))], e.Out(0), ("approximate", "none")),
        ["FastGelu"] = e => e.Make("Gelu", [e.Add(e.In(0), e.In(1))], e.Out(0), ("approximate", "tanh")),
        ["Gelu"] = e => e.Make("Gelu", [e.In(0)], e.Out(0), ("approximate", "none")),
        ["QuickGelu"] = QuickGelu,
        ["SimplifiedLayerNormalization"] = e => e.Make("RMSNormalization", [e.In(0), e.In(1)], e.Out(0),
            ("axis", e.Int("axis", -1)), ("epsilon", e.Float("epsilon", 1e-5f))),
        ["SkipLayerNormalization"] = e => e.Make("LayerNormalization", [e.Sum(4), e.In(2), e.In(3)], e.Out(0),
            ("axis", -1L), ("epsilon", e.Float("epsilon", 1e-12f))),
        ["SkipSimplifiedLayerNormalization"] = e => e.Make("RMSNormalization", [e.Sum(3), e.In(2)], e.Out(0),
            ("axis", -1L), ("epsilon", e.Float("epsilon", 1e-12f))),
    }.ToFrozenDictionary();

    /// <summary>Every operator of the domain that is read, in alphabetical order.</summary>
    public static IReadOnlyList<string> Known { get; } = [.. s_expansions.Keys.Concat(NeedShapes).Order(StringComparer.Ordinal)];

    /// <exception cref="GraphException">A node lacks what it needs, works on quantised numbers, or is of an operator outside of the
    /// standard that is not read; the message names it and what avoids it.</exception>
    public static void Apply(ModelProto model)
    {
        if (model.Graph.Node.FirstOrDefault(n => OpsetUpgrade.IsStandard(n.Domain) && ContribDomain.IsQuantised(n.OpType)) is { } quantised)
        {
            throw new GraphException($"{GraphCheck.Named(quantised)} {ContribDomain.Advice(ContribDomain.Name, quantised.OpType, Known)}");
        }
        if (model.Graph.Node.All(n => OpsetUpgrade.IsStandard(n.Domain))) return;
        var given = model.Graph.Node.ToList();
        var names = NodeNames.Of(model.Graph);
        model.Graph.Node.Clear();
        foreach (var node in given)
        {
            if (node.Domain == ContribDomain.Name && s_expansions.TryGetValue(node.OpType, out var expand))
            {
                expand(new Expansion(node, model.Graph.Node, names));
            }
            else if (OpsetUpgrade.IsStandard(node.Domain) || (node.Domain == ContribDomain.Name && NeedShapes.Contains(node.OpType)))
            {
                model.Graph.Node.Add(node);
            }
            else
            {
                throw new GraphException($"{GraphCheck.Named(node)} {ContribDomain.Advice(node.Domain, node.OpType, Known)}");
            }
            GraphCheck.RequireCount(model.Graph.Node.Count, " once its operators are taken apart");
        }
    }

    // z = x σ(alpha x)
    private static void QuickGelu(Expansion e)
    {
        var scaled = e.Make("Mul", [e.In(0), e.Constant("alpha", e.Float("alpha", 1.702f))], e.New("scaled"));
        e.Make("Mul", [e.In(0), e.Make("Sigmoid", [scaled], e.New("gate"))], e.Out(0));
    }

    /// <summary>One node on its way into several; the new ones are named after it.</summary>
    private sealed class Expansion(NodeProto node, ICollection<NodeProto> nodes, HashSet<string> names)
    {
        private readonly string _prefix = (node.Name.Length > 0 ? node.Name : node.Output.FirstOrDefault(n => n.Length > 0)) + "/";
        private int _count;

        public string Named => GraphCheck.Named(node);

        /// <summary>The name of an input; empty where it is left out.</summary>
        public string In(int i) => i < node.Input.Count ? node.Input[i] : "";

        public string Out(int i) => i < node.Output.Count && node.Output[i].Length > 0 ? node.Output[i] : New($"out{i}");

        public long Int(string name, long otherwise) => node.Attribute.FirstOrDefault(a => a.Name == name)?.I ?? otherwise;

        public float Float(string name, float otherwise) => node.Attribute.FirstOrDefault(a => a.Name == name)?.F ?? otherwise;

        /// <summary>A tensor's name that the graph does not have yet.</summary>
        public string New(string name) => NodeNames.Free(_prefix + name, names);

        public string Add(string x, string y) => y.Length == 0 ? x : Make("Add", [x, y], New("sum"));

        /// <summary>Input, skip and, where there is one, bias: the fourth output where it is asked for.</summary>
        public string Sum(int bias) => In(bias).Length == 0
            ? Make("Add", [In(0), In(1)], Out(3))
            : Make("Add", [Make("Add", [In(0), In(1)], New("sum")), In(bias)], Out(3));

        public string Constant(string name, float value)
        {
            var tensor = new AttributeProto { Name = "value", Type = AttributeType.Tensor, T = Constants.Of([value]) };
            var constant = new NodeProto { OpType = "Constant", Name = New(name), Attribute = { tensor } };
            constant.Output.Add(constant.Name);
            nodes.Add(constant);
            return constant.Name;
        }

        /// <returns>The name of its output.</returns>
        public string Make(string type, string[] inputs, string output, params (string Name, object Value)[] attributes)
        {
            if (In(0).Length == 0 || (type != "LayerNormalization" && inputs.Any(i => i.Length == 0)))
            {
                throw new GraphException($"{Named} lacks an input that it needs; export the model again");
            }
            var made = new NodeProto { OpType = type, Name = _count++ == 0 ? node.Name : $"{_prefix}{type}.{_count}" };
            made.Input.AddRange(inputs.Reverse().SkipWhile(i => i.Length == 0).Reverse());
            made.Output.Add(output);
            made.Attribute.AddRange(attributes.Select(a => a.Value switch
            {
                float f => new AttributeProto { Name = a.Name, Type = AttributeType.Float, F = f },
                string s => new AttributeProto
                {
                    Name = a.Name,
                    Type = AttributeType.String,
                    S = Google.Protobuf.ByteString.CopyFromUtf8(s)
                },
                _ => new AttributeProto { Name = a.Name, Type = AttributeType.Int, I = (long)a.Value },
            }));
            nodes.Add(made);
            return output;
        }
    }
}
