using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Whether a graph that was read is one that this program takes, before anything is computed from it:
/// the same for a foreign graph and for a bundle's.</summary>
internal static class GraphCheck
{
    /// <summary>Nodes, once functions are in their places. A model of 126 blocks has some 20,000.</summary>
    public const int MostNodes = 50_000;

    /// <summary>Tensors that one node reads and yields, and that all do.
    /// A node has a handful; one that joins experts or heads has some hundreds.</summary>
    public const int MostTensors = 2_048, MostTensorsOfAll = 8 * MostNodes;

    /// <summary>Every node yields something and every constant has the numbers that its shape claims.</summary>
    /// <param name="external">Checks a constant that lies in another file.</param>
    /// <exception cref="GraphException">The node or tensor that does not, with the fix.</exception>
    public static void RequireSound(ModelProto model, Action<TensorProto> external)
    {
        var graph = model.Graph ?? throw new GraphException("the ONNX file has no graph; export it again");
        RequireCount(graph.Node.Count);
        var nodes = graph.Node.Concat(model.Functions.SelectMany(f => f.Node)).ToList();
        RequireConstants(graph, external);
        var tensors = 0;
        // branches and loop bodies come behind the nodes that hold them
        for (var i = 0; i < nodes.Count; i++)
        {
            var node = nodes[i];
            foreach (var inner in NodeNames.GraphsOf(node))
            {
                RequireConstants(inner, external);
                nodes.AddRange(inner.Node);
                RequireCount(nodes.Count - model.Functions.Sum(f => f.Node.Count), " with those in its branches");
            }
            var own = node.Input.Count + node.Output.Count;
            if (own > MostTensors)
            {
                throw new GraphException(
                    $"{Named(node)} reads and yields {own:N0} tensors; {MostTensors:N0} is the most: export the model again");
            }
            if ((tensors += own) > MostTensorsOfAll)
            {
                throw new GraphException($"the graph's nodes read and yield more than {MostTensorsOfAll:N0} tensors up to {Named(node)}; "
                    + "that is the most: export the model again");
            }
            if (node.Output.All(n => n.Length == 0)) throw new GraphException($"{Named(node)} yields nothing; export the model again");
            foreach (var a in node.Attribute)
            {
                if (a.SparseTensor is not null)
                {
                    throw new GraphException($"{Named(node)} has a sparse tensor, which is not read; export the model with dense weights");
                }
                if (a.T is { } t) RequireTensor(t, $"the {a.Name} of {Named(node)}", external);
            }
        }
    }

    private static void RequireConstants(GraphProto graph, Action<TensorProto> external)
    {
        foreach (var t in graph.Initializer) RequireTensor(t, $"tensor '{t.Name}'", external);
        if (graph.SparseInitializer.Count > 0)
        {
            throw new GraphException("the graph has sparse tensors, which are not read; export the model with dense weights");
        }
    }

    /// <summary>Only operators of the standard, without graphs inside or sequences of tensors.</summary>
    /// <exception cref="GraphException">One that is not, with the fix.</exception>
    public static void RequireStandard(ModelProto model)
    {
        foreach (var node in model.Graph.Node)
        {
            if (!OpsetUpgrade.IsStandard(node.Domain))
            {
                throw new GraphException($"{Named(node)} is of domain {node.Domain}, which is no standard ONNX; "
                    + "export the model without graph optimisation or quantisation");
            }
        }
        RequirePlain(model);
    }

    /// <summary>No graphs inside of nodes and no sequences of tensors, whatever domain a node is of.</summary>
    /// <exception cref="GraphException">One that has such, with the fix.</exception>
    public static void RequirePlain(ModelProto model)
    {
        foreach (var node in model.Graph.Node)
        {
            if (node.Attribute.Any(a => a.G is not null || a.Graphs.Count > 0))
            {
                throw new GraphException($"{Named(node)} has a branch or loop inside, which is not read where its condition is known only "
                    + "when it runs; export the model without data-dependent control flow (a merged decoder: optimum's "
                    + "no-post-process)");
            }
            if (node.OpType.StartsWith("Sequence", StringComparison.Ordinal) || node.OpType is "SplitToSequence" or "ConcatFromSequence")
            {
                throw new GraphException(
                    $"{Named(node)} works on a sequence of tensors, which is not read; export the model with a newer torch.onnx");
            }
        }
    }

    internal static void RequireCount(int nodes, string where = "")
    {
        if (nodes > MostNodes)
        {
            throw new GraphException($"the graph has more than {MostNodes:N0} nodes{where}; that is the most that is read: "
                + "export the model again, with its layers written once each");
        }
    }

    private static void RequireTensor(TensorProto t, string what, Action<TensorProto> external)
    {
        var entries = Entries(t, what);
        if (Constants.IsExternal(t))
        {
            external(t);
            return;
        }
        if (Constants.BytesPerEntry((DataType)t.DataType) is not { } size) return;
        if (t.RawData.Length > 0 ? t.RawData.Length == entries * size : Listed(t) == entries) return;
        var held = t.RawData.Length > 0 ? t.RawData.Length : Listed(t) * (long)size;
        throw new GraphException($"{what} has {held} bytes where its shape needs {entries * size}; export the model again");
    }

    private static long Entries(TensorProto t, string what)
    {
        var entries = 1L;
        foreach (var d in t.Dims)
        {
            // eight bytes for an entry at most
            if (d < 0 || (d > 0 && entries > long.MaxValue / 8 / d))
            {
                throw new GraphException(
                    $"{what} has the shape [{string.Join(", ", t.Dims.Take(8))}], which no file can hold; export the model again");
            }
            entries *= d;
        }
        return entries;
    }

    // the narrow types share int32_data
    private static int Listed(TensorProto t) => (DataType)t.DataType switch
    {
        DataType.Float => t.FloatData.Count,
        DataType.Double => t.DoubleData.Count,
        DataType.Int64 => t.Int64Data.Count,
        DataType.Uint32 or DataType.Uint64 => t.Uint64Data.Count,
        _ => t.Int32Data.Count,
    };

    /// <summary>A node in a message.</summary>
    internal static string Named(NodeProto node) =>
        $"{Op.Short(node.OpType)} '{Op.Short(node.Name.Length > 0 ? node.Name : node.Output.FirstOrDefault(n => n.Length > 0) ?? "")}'";
}
