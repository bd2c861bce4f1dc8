using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Onnx;

/// <summary>Puts a file's own functions (as torch.onnx writes them with dynamo) in place of the nodes that call them.</summary>
internal static class FunctionInlining
{
    // a name that is made of all names above it is cut before it is repeated in every node
    private const int Deepest = 64, LongestName = 1000;

    // what the bodies take that are put in place, besides tensors kept as bytes, which are shared
    private const long MostBytes = 256L << 20;

    /// <exception cref="GraphException">Functions call each other in a circle, or one is given too many tensors.</exception>
    public static void Apply(ModelProto model)
    {
        if (model.Functions.Count == 0) return;
        var functions = model.Functions.GroupBy(f => (f.Domain, f.Name)).ToDictionary(g => g.Key, g => g.First());
        var given = model.Graph.Node.ToList();
        var taken = NodeNames.Of(model.Graph);
        model.Graph.Node.Clear();
        var (count, bytes) = (0, 0L);
        foreach (var node in given) Add(node, 0, model.Graph.Node);
        model.Functions.Clear();

        void Add(NodeProto node, int depth, ICollection<NodeProto> nodes)
        {
            if (!functions.TryGetValue((node.Domain, node.OpType), out var function))
            {
                nodes.Add(node);
                foreach (var inner in NodeNames.GraphsOf(node)) AddInside(inner, depth);
                return;
            }
            if (depth == Deepest) throw new GraphException($"the model's function '{function.Name}' calls itself; export the model again");
            var name = node.Name.Length > 0 ? node.Name : function.Name;
            // a call counts as a node: there are functions of nothing but calls
            GraphCheck.RequireCount(model.Graph.Node.Count + count,
                $" once function '{function.Name}' is put in place of the nodes that call it");
            foreach (var inner in Body(function, node, $"{name[^Math.Min(name.Length, LongestName)..]}.{count++}/", taken))
            {
                RequireSize(bytes += inner.CalculateSize() - inner.Attribute.Sum(a => (long)(a.T?.RawData.Length ?? 0)), function);
                Add(inner, depth + 1, nodes);
            }
        }

        // a branch or loop body
        void AddInside(GraphProto graph, int depth)
        {
            var before = graph.Node.ToList();
            graph.Node.Clear();
            foreach (var node in before) Add(node, depth, graph.Node);
        }
    }

    private static void RequireSize(long bytes, FunctionProto function)
    {
        if (bytes > MostBytes)
        {
            throw new GraphException($"the model's functions take more than {MostBytes >> 20} MiB once '{function.Name}' is put in "
                + "place of the nodes that call it; export the model with its constants as weights");
        }
    }

    /// <param name="taken">Names of tensors, to which those of the body are added.</param>
    private static IEnumerable<NodeProto> Body(FunctionProto function, NodeProto call, string prefix, HashSet<string> taken)
    {
        if (call.Input.Count > function.Input.Count || call.Output.Count > function.Output.Count)
        {
            throw new GraphException($"node '{call.Name}' gives function '{function.Name}' {call.Input.Count} tensors for "
                + $"{function.Input.Count} inputs; export the model again");
        }
        var names = new Dictionary<string, string> { [""] = "" };
        for (var i = 0; i < function.Input.Count; i++) names[function.Input[i]] = i < call.Input.Count ? call.Input[i] : "";
        var outputs = new Dictionary<string, string>();
        foreach (var (inner, outer) in function.Output.Zip(call.Output)) if (outer.Length > 0) outputs.TryAdd(inner, outer);
        string Outer(string name) => names.TryGetValue(name, out var outer)
            ? outer
            : names[name] = outputs.GetValueOrDefault(name) ?? NodeNames.Free(prefix + name[^Math.Min(name.Length, LongestName)..], taken);
        var attributes = function.AttributeProto.Concat(call.Attribute).GroupBy(a => a.Name).ToDictionary(g => g.Key, g => g.Last());
        foreach (var template in function.Node)
        {
            var node = template.Clone();
            node.Name = prefix + (template.Name.Length > 0 ? template.Name : template.Output.FirstOrDefault());
            NodeNames.Rename(node, Outer);
            Refer(node, attributes);
            yield return node;
        }
        // a function may hand an input on as it is
        var inputs = function.Input.ToHashSet();
        foreach (var (inner, outer) in outputs.Where(o => inputs.Contains(o.Key)))
        {
            var identity = new NodeProto { OpType = "Identity", Name = prefix + inner };
            identity.Input.Add(names[inner]);
            identity.Output.Add(outer);
            yield return identity;
        }
    }

    // an attribute of the body that stands for one of the call's; left out where the call has none
    private static void Refer(NodeProto node, Dictionary<string, AttributeProto> attributes)
    {
        foreach (var a in node.Attribute.Where(a => a.RefAttrName.Length > 0).ToList())
        {
            node.Attribute.Remove(a);
            if (!attributes.TryGetValue(a.RefAttrName, out var given)) continue;
            var filled = given.Clone();
            filled.Name = a.Name;
            node.Attribute.Add(filled);
        }
        foreach (var inner in NodeNames.GraphsOf(node).SelectMany(g => g.Node)) Refer(inner, attributes);
    }
}
