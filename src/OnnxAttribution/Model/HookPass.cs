using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>
/// One pass over the model in which every row changes hooks of its own.
/// 1. The model is cut at its sites and at the hooks that some row changes; what no change has reached holds the clean run's value.
/// 2. At a hook that is changed each row's edits are done on the host, and the pass has its rows from there.
/// 3. Each step that reads a changed tensor is run for all rows at once; the last one yields the logits.
/// </summary>
internal sealed class HookPass : IDisposable
{
    private readonly ActivationCache _clean;
    private readonly HookSteps _steps;
    private readonly IReadOnlyList<IReadOnlyList<HookEdit>> _rows;
    private readonly Dictionary<Value, HookTensor> _hooks;
    private readonly Value[] _stops;
    private readonly DeviceTensor?[] _changed;
    private readonly List<DeviceTensor> _tiled = [];

    /// <param name="rows">Each with the edits of one intervention.</param>
    /// <exception cref="AttributionException">There is no such hook, head or position, or values do not fit.</exception>
    public HookPass(ActivationCache clean, IReadOnlyList<IReadOnlyList<HookEdit>> rows)
    {
        clean.RequireAlive();
        (_clean, _rows, _steps) = (clean, rows, HookSteps.Of(clean.Model));
        _hooks = HooksOf(clean, rows);
        _stops = Stops(_steps, _hooks.Keys);
        _changed = new DeviceTensor?[_stops.Length];
    }

    /// <summary>Rows that one pass with edits of these hooks may have.</summary>
    public static int RowsPerPass(ActivationCache clean, IReadOnlyList<IReadOnlyList<HookEdit>> rows)
    {
        var (steps, hooks, positions) = (HookSteps.Of(clean.Model), HooksOf(clean, rows), clean.Tokens.Count);
        var stops = Stops(steps, hooks.Keys);
        var bytes = stops.Cast<Value?>().Append(null).Max(s => steps.Step(s, stops).BytesPerRow(positions));
        var widest = hooks.Values.Select(h => (long)h.Size(positions)).Append((long)positions * clean.Model.Bundle.Manifest.DModel)
            .Append(clean.Model.VocabularySize).Max();
        return BatchRows.Of(clean.Model.Context.MemoryBudget, Math.Max(bytes, clean.Model.Steps.BytesPerRow(positions)), widest, 2);
    }

    /// <summary>Logits float32 [rows, vocabulary] at a position.</summary>
    /// <exception cref="AttributionException">A logit overflows.</exception>
    public float[] Logits(int position)
    {
        var steps = _stops.Cast<Value?>().Append(null).Select(s => _steps.Step(s, _stops)).ToArray();
        for (var i = 0; i < _stops.Length; i++)
        {
            if (steps[i].Reads.Any(r => _changed[IndexOf(r)] is not null)) _changed[i] = Run(steps[i], 0);
            if (_hooks.TryGetValue(_stops[i], out var hook)) Change(i, hook);
            LetGo(steps, i);
        }
        if (!steps[^1].Reads.Any(r => _changed[IndexOf(r)] is not null)) return Repeated(_clean.Logits(position));
        using var logits = Run(steps[^1], position);
        return FiniteValues.RequireMoved(logits.Floats(), "the logits").ToArray();
    }

    public void Dispose()
    {
        foreach (var x in _changed) x?.Dispose();
        foreach (var x in _tiled) x.Dispose();
    }

    private static Dictionary<Value, HookTensor> HooksOf(ActivationCache clean, IReadOnlyList<IReadOnlyList<HookEdit>> rows)
    {
        var (table, hooks) = (HookSteps.Of(clean.Model).Hooks, new Dictionary<Value, HookTensor>());
        var named = new Dictionary<string, HookTensor>();
        foreach (var edit in rows.SelectMany(r => r))
        {
            if (!named.TryGetValue(edit.Hook, out var hook)) named[edit.Hook] = hook = table.Find(edit.Hook);
            edit.Check(hook, clean.Tokens.Count);
            hooks.TryAdd(hook.Value, hook);
        }
        return hooks;
    }

    private static Value[] Stops(HookSteps steps, IEnumerable<Value> hooks) =>
        [.. steps.Sites.Union(hooks).OrderBy(steps.Hooks.Order)];

    private int IndexOf(Value stop) => Array.IndexOf(_stops, stop);

    // the edits of each row, on a copy of what is there
    private void Change(int index, HookTensor hook)
    {
        var positions = _clean.Tokens.Count;
        var mine = _rows.Select(r => r.Where(e => _steps.Hooks.Find(e.Hook).Value == hook.Value).ToArray()).ToArray();
        var now = (_changed[index] ?? _clean.HookValue(hook)).Floats();
        var size = hook.Size(positions);
        var all = GC.AllocateUninitializedArray<float>(_rows.Count * size);
        for (var r = 0; r < _rows.Count; r++)
        {
            var row = all.AsSpan(r * size, size);
            now.Slice(now.Length == size ? 0 : r * size, size).CopyTo(row);
            foreach (var edit in mine[r]) edit.Apply(hook, positions, row);
        }
        _changed[index]?.Dispose();
        _changed[index] = DeviceTensor.FromHost(all, [_rows.Count, .. hook.Shape(positions)]);
    }

    private DeviceTensor Run(HookStep step, int position)
    {
        if (step.Plain is { } plain)
        {
            var sites = new DeviceTensor?[_steps.Sites.Count];
            foreach (var stop in step.Reads)
            {
                var site = _steps.Sites.ToList().IndexOf(stop);
                sites[site] = _changed[IndexOf(stop)] ?? _clean.Value(site);
            }
            return _clean.Model.Steps.Run(plain, sites, _clean.TokenArray, position);
        }
        DeviceTensor[] reads = [.. step.Reads.Select(stop => _changed[IndexOf(stop)] ?? Tiled(stop))];
        var result = _steps.Run(step, reads, (_clean.TokenArray, _rows.Count), position);
        foreach (var x in _tiled) x.Dispose();
        _tiled.Clear();
        return result;
    }

    // a clean value for each row: graphs of other exporters do not broadcast one over rows
    private DeviceTensor Tiled(Value stop)
    {
        var clean = _hooks.TryGetValue(stop, out var hook) ? _clean.HookValue(hook) : _clean.Value(_steps.Sites.ToList().IndexOf(stop));
        var tiled = DeviceTensor.FromHost(Repeated(clean.Floats()), [_rows.Count, .. clean.Shape[1..]]);
        _tiled.Add(tiled);
        return tiled;
    }

    private void LetGo(HookStep[] steps, int index)
    {
        foreach (var stop in steps[index].Reads)
        {
            var read = IndexOf(stop);
            if (steps.Skip(index + 1).Any(s => s.Reads.Contains(stop))) continue;
            _changed[read]?.Dispose();
            _changed[read] = null;
        }
    }

    private float[] Repeated(ReadOnlySpan<float> one)
    {
        var all = GC.AllocateUninitializedArray<float>(_rows.Count * one.Length);
        for (var r = 0; r < _rows.Count; r++) one.CopyTo(all.AsSpan(r * one.Length));
        return all;
    }
}
