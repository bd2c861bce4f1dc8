using OnnxAttribution.Onnx;

namespace OnnxAttribution.Bundles;

/// <summary>How many tokens a graph reads at most, from the tables it has for positions.</summary>
internal static class ContextLength
{
    /// <summary>The shortest table that is looked up by position or cut to the prompt's length (position embeddings,
    /// causal masks, rotary tables); null where there is none.</summary>
    public static int? Of(OnnxGraph graph)
    {
        var onValues = Topology.DependentOn([graph.Inputs[0]], [.. graph.Ops().Where(o => o.Type is not ("Shape" or "Size"))]);
        var lengths = new List<long>();
        foreach (var op in graph.Ops())
        {
            if (op.Out.FirstOrDefault()?.Shape is not { } z || op.In.FirstOrDefault() is not { Shape: { } x } table
                || onValues.Contains(table))
            {
                continue;
            }
            switch (op.Type)
            {
                case "Gather"
                    when table.IsFixed && !onValues.Contains(op.In[1]!) && op.In[1]!.Shape?.Any(d => d.Symbol == "position") == true:
                    lengths.Add(x[ShapeInference.Axis(op.Int("axis", 0), x.Length)].Size ?? long.MaxValue);
                    break;
                case "Slice":
                    lengths.AddRange(x.Zip(z)
                        .Where(p => p.First.Size is not null && p.Second.Symbol == "position")
                        .Select(p => p.First.Size!.Value));
                    break;
                default:
                    break;
            }
        }
        return lengths.Where(n => n <= int.MaxValue).Select(n => (int?)n).Min();
    }
}
