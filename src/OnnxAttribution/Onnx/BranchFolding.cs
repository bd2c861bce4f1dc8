using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Puts that branch of an If in its place which is taken, where the condition follows from constants and shapes:
/// whether there are earlier tokens, whether an axis is 1, how many axes there are.</summary>
internal static class BranchFolding
{
    // branches in branches, and operators that a condition is made of
    private const int Deepest = 64;

    /// <exception cref="GraphException">There are too many nodes.</exception>
    public static void Apply(ModelProto model)
    {
        for (var i = 0; i < Deepest && model.Graph.Node.Any(IsIf); i++)
        {
            var values = OnnxGraph.FromProto(model).Values;
            var known = new Dictionary<Value, bool?>();
            var taken = new Dictionary<NodeProto, GraphProto?>(ReferenceEqualityComparer.Instance);
            foreach (var node in model.Graph.Node.Where(IsIf)) taken[node] = Taken(node, values, known);
            if (taken.Values.All(b => b is null)) return;
            var given = model.Graph.Node.ToList();
            var names = NodeNames.Of(model.Graph);
            model.Graph.Node.Clear();
            foreach (var node in given)
            {
                if (taken.GetValueOrDefault(node) is { } branch) PutInPlace(model.Graph, node, branch, names);
                else model.Graph.Node.Add(node);
                GraphCheck.RequireCount(model.Graph.Node.Count, $" once the branch of {GraphCheck.Named(node)} is put in its place");
            }
        }
    }

    private static bool IsIf(NodeProto node) => node.OpType == "If" && OpsetUpgrade.IsStandard(node.Domain);

    private static GraphProto? Taken(NodeProto node, IReadOnlyDictionary<string, Value> values, Dictionary<Value, bool?> known)
    {
        if (node.Input.FirstOrDefault() is not { } name || !values.TryGetValue(name, out var condition)
            || Truth(condition, known, 0) is not { } truth)
        {
            return null;
        }
        var branch = node.Attribute.FirstOrDefault(a => a.Name == (truth ? "then_branch" : "else_branch"))?.G;
        return branch?.Output.Count == node.Output.Count ? branch : null;
    }

    // null: not known before it runs
    private static bool? Truth(Value v, Dictionary<Value, bool?> known, int depth)
    {
        if (Number(v) is { } n) return n != 0;
        if (depth > Deepest || v.Producer is not { } op) return null;
        if (known.TryGetValue(v, out var truth)) return truth;
        bool? Of(int i) => Truth(op.In[i]!, known, depth + 1);
        bool? Compared(Func<double, double, bool> by) =>
            Number(op.In[0]!) is { } a && Number(op.In[1]!) is { } b ? by(a, b) : null;
        return known[v] = op.Type switch
        {
            "Not" => !Of(0),
            "And" => Of(0) & Of(1),
            "Or" => Of(0) | Of(1),
            "Equal" => Compared((a, b) => a == b),
            "Greater" => Compared((a, b) => a > b),
            "GreaterOrEqual" => Compared((a, b) => a >= b),
            "Less" => Compared((a, b) => a < b),
            "LessOrEqual" => Compared((a, b) => a <= b),
            "Identity" or "Cast" or "Squeeze" or "Unsqueeze" or "Reshape" => Of(0),
            _ => null,
        };
    }

    private static double? Number(Value v)
    {
        for (var i = 0; i < Deepest && v.Producer is { Type: "Identity" or "Cast" or "Squeeze" or "Unsqueeze" or "Reshape" } op; i++)
        {
            // a cast to an integer takes digits away, one to a truth all but whether it is 0
            if (op.Type == "Cast" && Number(op.In[0]!) is { } given && given is not (0 or 1))
            {
                return (DataType)op.Int("to", 0) switch
                {
                    DataType.Bool => 1,
                    DataType.Float or DataType.Double => given,
                    _ => Math.Truncate(given),
                };
            }
            v = op.In[0]!;
        }
        return Constants.Scalar(v) ?? (v.Content is [{ Size: { } n }] ? n : v.Producer is { Type: "Size" } size
            && size.In[0]?.Shape is { } shape && shape.All(d => d.Size is not null)
            ? shape.Aggregate(1.0, (product, d) => product * d.Size!.Value)
            : null);
    }

    private static void PutInPlace(GraphProto graph, NodeProto node, GraphProto branch, HashSet<string> names)
    {
        var made = branch.Node.SelectMany(n => n.Output).ToHashSet();
        var renamed = new Dictionary<string, string>();
        foreach (var (inner, outer) in branch.Output.Zip(node.Output, (o, name) => (o.Name, name)))
        {
            if (made.Contains(inner) && outer.Length > 0) renamed.TryAdd(inner, outer);
        }
        foreach (var name in made.Concat(branch.Initializer.Select(t => t.Name)).Where(n => n.Length > 0).ToList())
        {
            if (!renamed.ContainsKey(name)) renamed[name] = NodeNames.Free(name, names);
        }
        string Renamed(string name) => renamed.GetValueOrDefault(name, name);
        foreach (var t in branch.Initializer)
        {
            t.Name = Renamed(t.Name);
            graph.Initializer.Add(t);
        }
        foreach (var v in branch.ValueInfo)
        {
            v.Name = Renamed(v.Name);
            graph.ValueInfo.Add(v);
        }
        foreach (var inner in branch.Node)
        {
            NodeNames.Rename(inner, Renamed);
            graph.Node.Add(inner);
        }
        // what is no node's of the branch is handed on: a tensor from around it, or a constant
        foreach (var (inner, outer) in branch.Output.Zip(node.Output, (o, name) => (Renamed(o.Name), name)))
        {
            if (outer.Length == 0 || inner == outer) continue;
            graph.Node.Add(new NodeProto { OpType = "Identity", Name = outer, Input = { inner }, Output = { outer } });
        }
    }
}
