using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Onnx;

/// <summary>Puts a file's own functions (as torch.onnx writes them with dynamo) in place of the nodes that call them.</summary>
internal static class FunctionInlining
{
    private const int Deepest = 64;

    /// <exception cref="GraphException">Functions call each other in a circle, or one is given too many tensors.</exception>
    public static void Apply(ModelProto model)
    {
        if (model.Functions.Count == 0) return;
        var functions = model.Functions.GroupBy(f => (f.Domain, f.Name)).ToDictionary(g => g.Key, g => g.First());
        var given = model.Graph.Node.ToList();
        model.Graph.Node.Clear();
        var count = 0;
        foreach (var node in given) Add(node, 0);
        model.Functions.Clear();

        void Add(NodeProto node, int depth)
        {
            if (!functions.TryGetValue((node.Domain, node.OpType), out var function))
            {
                model.Graph.Node.Add(node);
                return;
            }
            if (depth == Deepest) throw new GraphException($"the model's function '{function.Name}' calls itself; export the model again");
            foreach (var inner in Body(function, node, $"{(node.Name.Length > 0 ? node.Name : function.Name)}.{count++}/")) Add(inner, depth + 1);
        }
    }

    private static IEnumerable<NodeProto> Body(FunctionProto function, NodeProto call, string prefix)
    {
        if (call.Input.Count > function.Input.Count || call.Output.Count > function.Output.Count)
        {
            throw new GraphException($"node '{call.Name}' gives function '{function.Name}' {call.Input.Count} tensors for {function.Input.Count} inputs; export the model again");
        }
        var names = new Dictionary<string, string> { [""] = "" };
        for (var i = 0; i < function.Input.Count; i++) names[function.Input[i]] = i < call.Input.Count ? call.Input[i] : "";
        var outputs = function.Output.Zip(call.Output).Where(p => p.Second.Length > 0).ToDictionary(p => p.First, p => p.Second);
        string Outer(string name) => names.TryGetValue(name, out var outer) ? outer : names[name] = outputs.GetValueOrDefault(name) ?? prefix + name;
        var attributes = function.AttributeProto.Concat(call.Attribute).GroupBy(a => a.Name).ToDictionary(g => g.Key, g => g.Last());
        foreach (var template in function.Node)
        {
            var node = template.Clone();
            node.Name = prefix + (template.Name.Length > 0 ? template.Name : template.Output.FirstOrDefault());
            for (var i = 0; i < node.Input.Count; i++) node.Input[i] = Outer(node.Input[i]);
            for (var i = 0; i < node.Output.Count; i++) node.Output[i] = Outer(node.Output[i]);
            Refer(node, attributes);
            yield return node;
        }
        // a function may hand an input on as it is
        foreach (var (inner, outer) in outputs.Where(o => function.Input.Contains(o.Key)))
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
    }
}
