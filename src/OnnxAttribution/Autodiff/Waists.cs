using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Tensors between sites through which all goes that comes behind them, as the residual stream between blocks: a pass that keeps
/// them too never has more than one attention's pattern in memory.</summary>
internal static class Waists
{
    /// <param name="sites">[1, position, d], in the order of computation.</param>
    /// <param name="end">What follows from them.</param>
    /// <returns>The sites in their order, and among them as many waists [1, position, d] as there are for no attention to read what another
    /// yields between two of them, nor <paramref name="end"/> an attention.</returns>
    public static IReadOnlyList<Value> Among(IReadOnlyList<Value> sites, Value end)
    {
        var found = new List<Value>();
        for (var i = 0; i < sites.Count; i++)
        {
            found.AddRange(Before(sites[i], [.. found, .. sites.Skip(i + 1)], isEnd: false));
            found.Add(sites[i]);
        }
        return [.. found, .. Before(end, found, isEnd: true)];
    }

    // the last one behind each attention, of what the stops do not give: before another attention, or before the end
    private static List<Value> Before(Value value, IReadOnlyList<Value> stops, bool isEnd)
    {
        var ops = CausalPrefix.OnEntries(Topology.Between(stops, [value]));
        var data = Topology.DependentOn([.. stops, .. CausalPrefix.InputsOver(value, ops)], ops);
        var ends = new Dictionary<Value, int>();
        for (var i = 0; i < ops.Count; i++) foreach (var x in ops[i].In.OfType<Value>()) ends[x] = i;
        var (live, waists, isMixed, last) = (new HashSet<Value>(), new List<Value>(), false, (Value?)null);
        for (var i = 0; i < ops.Count; i++)
        {
            var op = ops[i];
            if (op.Type == "MatMul" && op.In.All(x => x is not null && data.Contains(x)))
            {
                if (last is not null) waists.Add(last);
                (isMixed, last) = (true, null);
            }
            live.UnionWith(op.Out.OfType<Value>().Where(x => data.Contains(x) && ends.ContainsKey(x)));
            live.RemoveWhere(x => ends[x] <= i);
            if (isMixed && live.Count == 1 && live.Single() is { Shape: [{ Size: 1 }, { Symbol: not null }, { Size: not null }] } waist
                && op.Out.Contains(waist))
            {
                last = waist;
            }
        }
        if (isEnd && last is not null) waists.Add(last);
        return waists;
    }
}
