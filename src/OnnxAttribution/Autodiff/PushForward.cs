using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Forward mode: tangents at one input of a segment, pushed to other values of it.</summary>
internal static class PushForward
{
    private static readonly FrozenSet<string> s_broadcasting =
        FrozenSet.Create("Add", "Sub", "Mul", "Div", "Pow", "Where", "MatMul", "Expand", "Gemm", "LayerNormalization", "RMSNormalization");

    /// <summary>Pushes tangents [B, …] at <paramref name="inputs"/> to <paramref name="targets"/>.</summary>
    /// <param name="inputs">Values with their tangents.</param>
    /// <param name="rows">If given, tangents are rows [1, …, U, …] at the position axes in <paramref name="axes"/>, and the primal is
    /// seen at the rows' positions.</param>
    public static IReadOnlyDictionary<Value, Value> Run(
        WalkScope scope, IReadOnlyDictionary<Value, Value> inputs, IReadOnlyList<Value> targets, Rows? rows = null,
        IReadOnlyDictionary<Value, int>? axes = null)
    {
        var (g, rules, stops) = scope;
        var tangents = new Dictionary<Value, Value>(inputs);
        foreach (var op in Topology.Between([.. stops, .. inputs.Keys], targets))
        {
            var wanted = op.In.Select(v => v is not null && tangents.ContainsKey(v)).ToArray();
            if (!wanted.Contains(true)) continue;
            // what is not position-wise can be on the way to a target only behind an operator that blocks
            if (rules.Blocks(op) || (axes is not null && !axes.ContainsKey(op.Out[0]!))) continue;
            if (!rules.Jvp.TryGetValue(op.Type, out var rule))
            {
                throw new GraphException($"operator {op.Type} of node {op} has no tangent rule");
            }
            Value Seen(Value v)
            {
                if (rows is null) return v;
                if (op.Out.Contains(v)) return rows.At(v, axes![v]);
                var i = Enumerable.Range(0, op.In.Count).First(k => op.In[k] == v);
                return rows.At(v, PositionFlow.InputAxis(op, i, axes![op.Out[0]!]));
            }
            var rank = op.Out[0]!.Rank;
            var xDots = op.In.Select((v, i) =>
                wanted[i] ? s_broadcasting.Contains(op.Type) ? Walk.Lift(g, tangents[v!], rank) : tangents[v!] : null).ToArray();
            var made = rule(g, new OpView(op, Seen, wanted), xDots);
            for (var i = 0; i < made.Length && i < op.Out.Count; i++)
            {
                if (op.Out[i] is { } z) tangents[z] = Walk.SpreadTo(g, made[i], z, Seen);
            }
        }
        return tangents;
    }

    /// <summary>Values of a segment that depend on its inputs position by position, with their position axes:
    /// the part that tangents can be pushed through in rows.</summary>
    public static Dictionary<Value, int> PositionWise(GradientRules rules, IReadOnlyDictionary<Value, int> inputs,
        IReadOnlyList<Value> stops, Value output)
    {
        var axes = new Dictionary<Value, int>(inputs);
        var ops = Topology.Between([.. stops, .. inputs.Keys], [output]);
        var active = rules.Reached(inputs.Keys, ops);
        foreach (var op in ops)
        {
            var moving = Enumerable.Range(0, op.In.Count).Where(i => op.In[i] is { } v && active.Contains(v)).ToList();
            if (moving.Count == 0 || !moving.All(i => axes.ContainsKey(op.In[i]!)) || rules.Blocks(op) || !rules.Jvp.ContainsKey(op.Type))
            {
                continue;
            }
            var axis = PositionFlow.OutputAxis(op, moving.ToDictionary(i => i, i => axes[op.In[i]!]));
            // what stands still beside it is seen at the rows' positions too (a rotation by position, say), so its axis must be known
            if (axis < 0 || Enumerable.Range(0, op.In.Count).Any(i => PositionFlow.InputAxis(op, i, axis) == PositionFlow.Mixes)) continue;
            foreach (var v in op.Out)
            {
                if (v is not null) axes[v] = axis;
            }
        }
        return axes;
    }
}
