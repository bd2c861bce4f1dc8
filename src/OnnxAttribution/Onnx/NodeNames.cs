using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Onnx;

/// <summary>Tensors of a file by their names, and nodes that are put elsewhere.</summary>
internal static class NodeNames
{
    /// <summary>Every tensor that a graph names itself: what its nodes yield, its constants and inputs.</summary>
    public static HashSet<string> Of(GraphProto graph) =>
        [.. graph.Node.SelectMany(n => n.Output), .. graph.Initializer.Select(t => t.Name), .. graph.Input.Select(i => i.Name)];

    /// <summary>A name like this one that is not taken, and then is.</summary>
    public static string Free(string name, HashSet<string> taken)
    {
        // a stranger's names may be such as this makes
        while (!taken.Add(name)) name += "'";
        return name;
    }

    /// <summary>Gives tensors other names, in graphs inside of the node too, which see those around it.</summary>
    public static void Rename(NodeProto node, Func<string, string> renamed)
    {
        for (var i = 0; i < node.Input.Count; i++) node.Input[i] = renamed(node.Input[i]);
        for (var i = 0; i < node.Output.Count; i++) node.Output[i] = renamed(node.Output[i]);
        foreach (var graph in GraphsOf(node))
        {
            foreach (var inner in graph.Node) Rename(inner, renamed);
            foreach (var t in graph.Initializer) t.Name = renamed(t.Name);
            foreach (var v in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo)) v.Name = renamed(v.Name);
        }
    }

    /// <summary>Every constant of a file: weights, and attributes of nodes in functions and branches too.</summary>
    public static IEnumerable<TensorProto> ConstantsOf(ModelProto model)
    {
        var nodes = model.Graph.Node.Concat(model.Functions.SelectMany(f => f.Node)).ToList();
        var weights = model.Graph.Initializer.ToList();
        for (var i = 0; i < nodes.Count; i++)
        {
            weights.AddRange(nodes[i].Attribute.Select(a => a.T).OfType<TensorProto>());
            foreach (var graph in GraphsOf(nodes[i]))
            {
                weights.AddRange(graph.Initializer);
                nodes.AddRange(graph.Node);
            }
        }
        return weights;
    }

    /// <summary>Branches and loop bodies.</summary>
    public static IEnumerable<GraphProto> GraphsOf(NodeProto node) =>
        node.Attribute.SelectMany(a => a.G is null ? a.Graphs : (IEnumerable<GraphProto>)[a.G, .. a.Graphs]);
}
