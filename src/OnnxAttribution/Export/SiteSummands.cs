using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>What a tensor is the sum of, as far as it is one: walked back through additions and what only hands on or scales.</summary>
/// <param name="Sites">Summands that are sites.</param>
/// <param name="Others">Summands that are none and depend on the tokens.</param>
internal sealed record SiteSummands(IReadOnlySet<Value> Sites, IReadOnlyList<Value> Others)
{
    private readonly Dictionary<Value, Op> _biases = [];

    /// <param name="active">Values that a derivative reaches from the tokens' embedding.</param>
    public static SiteSummands Of(Value value, IReadOnlyCollection<Value> sites, IReadOnlySet<Value> active)
    {
        var found = new HashSet<Value>();
        var others = new List<Value>();
        var biased = new List<(Op Add, Value Of)>();
        var seen = new HashSet<Value>();
        var stack = new Stack<Value>([value]);
        while (stack.TryPop(out var v))
        {
            if (!active.Contains(v) || !seen.Add(v)) continue;
            if (sites.Contains(v))
            {
                found.Add(v);
            }
            else if (Handed(v, active) is { } from)
            {
                stack.Push(from);
            }
            else if (v.Producer is { Type: "Add" or "Sub" } op)
            {
                foreach (var x in op.In) stack.Push(x!);
                if (op.In.Count(x => active.Contains(x!)) == 1) biased.Add((op, op.In.First(x => active.Contains(x!))!));
            }
            else
            {
                others.Add(v);
            }
        }
        var sum = new SiteSummands(found, others);
        var alone = SitesAlone(value, sites, active);
        foreach (var (add, of) in biased)
        {
            // a constant that is added to one site alone is the rest of that site
            if (add.Out[0] != value && alone.TryGetValue(of, out var site)) sum._biases[site] = add;
        }
        return sum;
    }

    // values that are one site and constants, each with its site: known of what an operator reads before it is asked of what it makes
    private static Dictionary<Value, Value> SitesAlone(Value value, IReadOnlyCollection<Value> sites, IReadOnlySet<Value> active)
    {
        var alone = sites.Where(active.Contains).ToDictionary(s => s);
        foreach (var op in Topology.Between([.. sites], [value]))
        {
            if (op.Out[0] is not { } z || !active.Contains(z) || alone.ContainsKey(z)) continue;
            List<Value> parts = Handed(z, active) is { } from ? [from]
                : op.Type is "Add" or "Sub" ? [.. op.In.Where(x => active.Contains(x!)).Select(x => x!)]
                : [];
            var found = parts.Select(p => alone.GetValueOrDefault(p)).Distinct().ToList();
            if (found is [{ } only]) alone[z] = only;
        }
        return alone;
    }

    /// <summary>The addition of a constant to this site alone; null where there is none.</summary>
    public Op? BiasBehind(Value site) => _biases.GetValueOrDefault(site);

    private static Value? Handed(Value v, IReadOnlySet<Value> active) => v.Producer switch
    {
        { Type: "Identity" or "Cast" or "Dropout" or "Reshape" or "Squeeze" or "Unsqueeze" or "Transpose" } op => op.In[0],
        { Type: "Mul" } op when IsNumber(op.In[0]!, active) => op.In[1],
        { Type: "Mul" or "Div" } op when IsNumber(op.In[1]!, active) => op.In[0],
        _ => null,
    };

    private static bool IsNumber(Value v, IReadOnlySet<Value> active) =>
        !active.Contains(v) && v.Shape is { } shape && shape.All(d => d.IsOne);
}
