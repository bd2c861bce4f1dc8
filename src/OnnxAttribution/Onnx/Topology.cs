namespace OnnxAttribution.Onnx;

/// <summary>Which operators lie between values, and which values a value depends on.</summary>
internal static class Topology
{
    /// <summary>Operators that the outputs need, in an order in which each comes after what it reads;
    /// the walk ends at <paramref name="inputs"/>.</summary>
    public static IReadOnlyList<Op> Between(IReadOnlyList<Value> inputs, IReadOnlyList<Value> outputs)
    {
        var boundary = inputs.ToHashSet();
        var order = new List<Op>();
        var seen = new HashSet<Op>();
        var stack = new Stack<(Op Op, int Next)>();
        foreach (var output in outputs)
        {
            Visit(output);
            while (stack.TryPop(out var top))
            {
                if (top.Next == top.Op.In.Count)
                {
                    order.Add(top.Op);
                    continue;
                }
                stack.Push((top.Op, top.Next + 1));
                if (top.Op.In[top.Next] is { } v) Visit(v);
            }
        }
        return order;

        void Visit(Value v)
        {
            if (boundary.Contains(v)) return;
            if (v.Producer is { } op && seen.Add(op)) stack.Push((op, 0));
        }
    }

    /// <summary>Of <paramref name="candidates"/>, those that <paramref name="output"/>
    /// reads along paths that meet no other candidate.</summary>
    public static IReadOnlyList<Value> DirectlyReadBy(Value output, IReadOnlySet<Value> candidates)
    {
        var found = new List<Value>();
        var seen = new HashSet<Op>();
        var stack = new Stack<Op>();
        if (output.Producer is { } first) stack.Push(first);
        while (stack.TryPop(out var op))
        {
            if (!seen.Add(op)) continue;
            foreach (var v in op.In)
            {
                if (v is null) continue;
                if (candidates.Contains(v))
                {
                    if (!found.Contains(v)) found.Add(v);
                }
                else if (v.Producer is { } p)
                {
                    stack.Push(p);
                }
            }
        }
        return found;
    }

    /// <summary>The values made by <paramref name="ops"/> (in order) that depend on one of
    /// <paramref name="sources"/>, with the sources themselves.</summary>
    public static HashSet<Value> DependentOn(IEnumerable<Value> sources, IReadOnlyList<Op> ops)
    {
        var result = sources.ToHashSet();
        foreach (var op in ops)
        {
            if (!op.In.Any(v => v is not null && result.Contains(v))) continue;
            foreach (var v in op.Out)
            {
                if (v is not null) result.Add(v);
            }
        }
        return result;
    }

    /// <summary>What the outputs read of a larger graph: values it is cut at, and its inputs but for <paramref name="own"/>.</summary>
    public static IEnumerable<Value> ReadBy(IReadOnlyList<Value> outputs, IReadOnlyList<Value> stops, IReadOnlyList<Value> own)
    {
        var cut = stops.ToHashSet();
        var found = new HashSet<Value>();
        var seen = new HashSet<Op>();
        var stack = new Stack<Value>(outputs);
        while (stack.TryPop(out var v))
        {
            if (cut.Contains(v) || (v.IsInput && !own.Contains(v)))
            {
                found.Add(v);
            }
            else if (v.Producer is { } op && seen.Add(op))
            {
                foreach (var x in op.In)
                {
                    if (x is not null) stack.Push(x);
                }
            }
        }
        return found;
    }
}
