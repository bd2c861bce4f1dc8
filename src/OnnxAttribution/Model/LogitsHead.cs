using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>The logits at one position. Where they follow from the last residual site position by position,
/// only that position is unembedded; where few tokens are asked for, only their columns of W_U are multiplied.</summary>
internal static class LogitsHead
{
    /// <summary>Of one prompt.</summary>
    /// <param name="model">With batch 1.</param>
    /// <param name="sites">All sites of the model, in the order of computation.</param>
    /// <param name="position">int64 [1].</param>
    /// <param name="tokens">int64 [k]; null: the whole vocabulary.</param>
    /// <returns>float32 [1, vocabulary or k].</returns>
    public static Value At(GraphBuilder g, OnnxGraph model, IReadOnlyList<Value> sites, Value position, Value? tokens = null)
    {
        var logits = IsPositionWise(model, sites)
            ? Unembedded(g, model, sites, g.Gather(sites[^1], position, 1))
            : g.Gather(model[ModelBundle.Logits], position, 1);
        return g.Squeeze(tokens is null ? logits : OfTokens(g, logits, tokens), 1);
    }

    /// <summary>Of one prompt, before a soft cap that the model lays over its logits; the logits where it has none.</summary>
    /// <inheritdoc cref="At" path="/param"/>
    /// <returns>float32 [1, vocabulary].</returns>
    public static Value BeforeSoftCap(GraphBuilder g, OnnxGraph model, IReadOnlyList<Value> sites, Value position) =>
        g.Squeeze(IsPositionWise(model, sites) ? SoftCap.Below(Unembedded(g, model, sites, g.Gather(sites[^1], position, 1)))
            : g.Gather(SoftCap.Below(model[ModelBundle.Logits]), position, 1), 1);

    /// <summary>Of prompts side by side: their last residual sites at the position are unembedded as positions of one.</summary>
    /// <param name="rows">The last site, [batch, position, d], of a graph with any number of prompts; and that graph, where the
    /// rest of it is computed too: a graph has each weight once.</param>
    /// <param name="one">The same model with batch 1, whose head is position-wise, and <paramref name="sites"/> its sites.</param>
    /// <returns>float32 [batch, vocabulary].</returns>
    public static Value OfRows(GraphBuilder g, (Value Last, OnnxGraph? Host) rows, OnnxGraph one, IReadOnlyList<Value> sites,
        Value position) =>
        g.Squeeze(Unembedded(g, one, sites, g.Transpose(g.Gather(rows.Last, position, 1), 1, 0, 2), rows.Host), 0);

    /// <summary>Whether the logits at a position follow from the last site there, and from nothing else that has positions.</summary>
    /// <param name="model">With batch 1: with more, a product of weights [out, in] merges prompts and positions.</param>
    public static bool IsPositionWise(OnnxGraph model, IReadOnlyList<Value> sites)
    {
        var (logits, last) = (model[ModelBundle.Logits], sites[^1]);
        if (Topology.ReadBy([logits], sites, []).Any(v => v != last)) return false;
        // which positions the logits read does not depend on the estimator: a frozen pattern is read all the same
        var axes = PushForward.PositionWise(GradientRules.Gradient, new Dictionary<Value, int> { [last] = 1 }, sites, logits);
        return axes.GetValueOrDefault(logits, -1) == 1;
    }

    // the same operators once more, on other positions [1, n, d]
    private static Value Unembedded(GraphBuilder g, OnnxGraph model, IReadOnlyList<Value> sites, Value x, OnnxGraph? host = null)
    {
        var logits = model[ModelBundle.Logits];
        var copies = new OpCopies("head/") { [sites[^1]] = x };
        copies.Through(Topology.Between(sites, [logits]), op =>
        {
            if (host is null || !op.Out.All(v => v is null || v.IsFixed)) return false;
            // of a weight that the host has computed too, the host's
            if (op.Out is [{ } weight] && host.Values.GetValueOrDefault(weight.Name) is { } same) copies[weight] = same;
            return op.Out.All(v => v is null || copies.Has(v));
        });
        return copies[logits];
    }

    // entries of the last axis, from as far up as they are made apart
    private static Value OfTokens(GraphBuilder g, Value v, Value tokens) => OfTokens(g, v, v.Rank - 1, tokens);

    private static Value OfTokens(GraphBuilder g, Value v, int axis, Value tokens)
    {
        if (v.Producer is not { } op || op.Out.Count != 1 || v.IsFixed) return g.Gather(v, tokens, axis);
        int[] axes = [.. Enumerable.Range(0, op.In.Count).Select(i => PositionFlow.InputAxis(op, i, axis))];
        if (axes.Contains(PositionFlow.Mixes) || (op.Type == "Reshape" && axis != v.Rank - 1)) return g.Gather(v, tokens, axis);
        Value?[] inputs = [.. op.In.Select((x, i) => x is null || axes[i] < 0 ? x : OfTokens(g, x, axes[i], tokens))];
        // its own target says the size of the vocabulary
        if (op.Type == "Reshape") inputs[1] = g.Concat(0, g.Slice(op.In[1]!, g.Ints(0), g.Ints(axis), g.Ints(0)), g.Ints(-1));
        return OpCopies.Of(op, inputs, "tokens/")[0];
    }
}
