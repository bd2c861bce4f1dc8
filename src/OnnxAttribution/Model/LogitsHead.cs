using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>The logits at one position. Where they follow from the last residual site position by position,
/// only that position is unembedded.</summary>
internal static class LogitsHead
{
    /// <param name="sites">All sites of the model, in the order of computation.</param>
    /// <param name="position">int64 [1].</param>
    /// <returns>float32 [batch, vocabulary].</returns>
    public static Value At(GraphBuilder g, OnnxGraph model, IReadOnlyList<Value> sites, Value position)
    {
        var logits = model[ModelBundle.Logits];
        var last = sites[^1];
        // which positions the logits read does not depend on the estimator: a frozen pattern is read all the same
        var axes = PushForward.PositionWise(GradientRules.Gradient, new Dictionary<Value, int> { [last] = 1 }, sites, logits);
        var reads = Topology.DirectlyReadBy(logits, sites.ToHashSet());
        if (reads is not [var only] || only != last || axes.GetValueOrDefault(logits, -1) != 1)
        {
            return g.Squeeze(g.Gather(logits, position, 1), 1);
        }
        // the same operators once more, on one position
        var copies = new Dictionary<Value, Value> { [last] = g.Gather(last, position, 1) };
        foreach (var op in Topology.Between(sites, [logits]))
        {
            if (!op.In.Any(v => v is not null && copies.ContainsKey(v))) continue;
            var inputs = op.In.Select(v => v is null ? null : copies.GetValueOrDefault(v, v));
            var copy = new Op(op.Type, op.Domain, "head/" + op.Name, [.. inputs], op.Attributes);
            var made = GraphBuilder.Attach(copy, [.. op.Out.Select(v => v is null ? "" : "head/" + v.Name)]);
            for (var i = 0; i < made.Length; i++)
            {
                if (op.Out[i] is { } v) copies[v] = made[i];
            }
        }
        return g.Squeeze(copies[logits], 1);
    }
}
