using OnnxAttribution.Onnx.Proto;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace OnnxAttribution.Onnx;

/// <summary>Rewrites the nodes of a file in another operator set as <see cref="OnnxGraph.Opset"/> has them.</summary>
/// <remarks>
/// From the operators' change log, 13 to 20: the Reduce operators take their axes as an input since 18 (ReduceSum since
/// 13), Split without sizes says num_outputs since 18; all else that changed between is types. Above 20 the operators that
/// this program knows changed in their types only; what is new there has to be lowered or refused by name. Softmax counted
/// its axis differently before 13, so older files are refused.
/// </remarks>
internal static class OpsetUpgrade
{
    public const int Oldest = 13, Newest = 25;

    private static readonly HashSet<string> s_axesAsInput =
        ["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
            "ReduceSumSquare"];

    /// <exception cref="GraphException">The file's operator set is too old or not known; the message says the fix.</exception>
    public static void Apply(ModelProto model)
    {
        var version = Version(model.OpsetImport, "the model");
        Apply(model.Graph.Node, version, "");
        foreach (var f in model.Functions)
        {
            Apply(f.Node, f.OpsetImport.Count == 0 ? version : Version(f.OpsetImport, $"its function '{f.Name}'"), $"{f.Name}/");
        }
        model.OpsetImport.Clear();
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OnnxGraph.Opset });
    }

    private static int Version(IEnumerable<OperatorSetIdProto> imports, string what)
    {
        // a function that uses other functions only names no standard operators
        var version = imports.FirstOrDefault(o => IsStandard(o.Domain))?.Version ?? OnnxGraph.Opset;
        if (version < Oldest)
        {
            throw new GraphException($"{what} is written in operator set {version}; {Oldest} is the oldest that is read: "
                + $"export it again with opset_version={Math.Min(18, OnnxGraph.Opset)}");
        }
        if (version > Newest)
        {
            throw new GraphException($"{what} is written in operator set {version}; {Newest} is the newest that is known here: "
                + $"export it again with opset_version={OnnxGraph.Opset}");
        }
        return (int)version;
    }

    internal static bool IsStandard(string domain) => domain is "" or "ai.onnx";

    private static void Apply(Google.Protobuf.Collections.RepeatedField<NodeProto> nodes, int version, string prefix)
    {
        var given = nodes.ToList();
        nodes.Clear();
        foreach (var node in given)
        {
            foreach (var graph in NodeNames.GraphsOf(node)) Apply(graph.Node, version, prefix);
            if (IsStandard(node.Domain))
            {
                node.Domain = "";
                if (node.OpType == "Constant") AsTensor(node);
                if (version < 18 && s_axesAsInput.Contains(node.OpType)) MoveAxes(node, nodes, prefix);
                if (version < 18 && node.OpType == "Split" && node.Input.Count == 1 && node.Attribute.All(a => a.Name != "split"))
                {
                    node.Attribute.Add(new AttributeProto { Name = "num_outputs", Type = AttributeType.Int, I = node.Output.Count });
                }
            }
            nodes.Add(node);
        }
    }

    private static void MoveAxes(NodeProto node, ICollection<NodeProto> nodes, string prefix)
    {
        if (node.Attribute.FirstOrDefault(a => a.Name == "axes") is not { } axes) return;
        node.Attribute.Remove(axes);
        var name = $"{prefix}{node.Output[0]}/axes";
        nodes.Add(ConstantNode(name, Constants.Of([.. axes.Ints], axes.Ints.Count)));
        node.Input.Add(name);
    }

    // value_int and its kin say in short what value says as a tensor
    private static void AsTensor(NodeProto node)
    {
        if (node.Attribute is not [{ } a]) return;
        var tensor = a.Name switch
        {
            "value_int" => Constants.Of([a.I]),
            "value_ints" => Constants.Of([.. a.Ints], a.Ints.Count),
            "value_float" => Constants.Of([a.F]),
            "value_floats" => Constants.Of([.. a.Floats], a.Floats.Count),
            _ => null,
        };
        if (tensor is null || a.RefAttrName.Length > 0) return;
        node.Attribute.Clear();
        node.Attribute.Add(new AttributeProto { Name = "value", Type = AttributeType.Tensor, T = tensor });
    }

    private static NodeProto ConstantNode(string name, TensorProto content)
    {
        var node = new NodeProto { OpType = "Constant", Name = name };
        node.Output.Add(name);
        node.Attribute.Add(new AttributeProto { Name = "value", Type = AttributeType.Tensor, T = content });
        return node;
    }
}
