using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Model;

/// <summary>
/// What changes of features add to a site's activation: Σ (f' − f) · decoder row,
/// with f the current activation and the row as it counts there. Edits of one feature at one place follow one another.
/// </summary>
internal static class FeatureEdits
{
    /// <param name="x">[rows or 1, T, d].</param>
    /// <returns>Row, position and change [d], for the places at which something changes.</returns>
    public static IEnumerable<(int Row, int Position, ReadOnlyMemory<float> Change)> Changes(
        LoadedModel model, SparseDictionary dictionary, ReadOnlySpan<float> x, int rows, int positions, IReadOnlyList<FeatureEdit> edits)
    {
        var d = dictionary.Width;
        var shared = x.Length == positions * d;
        // the places that are asked for, each once
        var byPlace = new SortedDictionary<(int Row, int Position), List<FeatureEdit>>();
        foreach (var e in edits)
        {
            for (var r = e.Row ?? 0; r <= (e.Row ?? rows - 1); r++)
            {
                for (var t = e.Position ?? 0; t <= (e.Position ?? positions - 1); t++)
                {
                    if (!byPlace.TryGetValue((r, t), out var here)) byPlace[(r, t)] = here = [];
                    here.Add(e);
                }
            }
        }
        // what is the same in all rows is encoded once
        (int Row, int Position)[] distinct = [.. byPlace.Keys.Select(p => shared ? (0, p.Position) : p).Distinct()];
        var gathered = new float[distinct.Length * d];
        for (var i = 0; i < distinct.Length; i++)
        {
            x.Slice(((distinct[i].Row * positions) + distinct[i].Position) * d, d).CopyTo(gathered.AsSpan(i * d));
        }
        var active = new Dictionary<(int, int), Dictionary<int, float>>();
        foreach (var (i, feature, activation) in model.Encoder.Active(dictionary, gathered, distinct.Length))
        {
            if (!active.TryGetValue(distinct[i], out var here)) active[distinct[i]] = here = [];
            here[feature] = activation;
        }
        var decoder = dictionary.DecoderRows([.. edits.Select(e => e.Feature).Distinct().Order()], model.Context.Threads);
        var scales = distinct.Select((p, i) => (p, dictionary.Normalization.Statistics(gathered.AsSpan(i * d, d)).Scale)).ToDictionary();
        var result = new List<(int, int, ReadOnlyMemory<float>)>(byPlace.Count);
        foreach (var (place, here) in byPlace)
        {
            var at = shared ? (0, place.Position) : place;
            var known = active.GetValueOrDefault(at);
            float[]? change = null;
            foreach (var (feature, before, after) in Together(here, f => known?.GetValueOrDefault(f) ?? 0))
            {
                if (after == before) continue;
                change ??= new float[d];
                TensorPrimitives.MultiplyAdd(decoder[feature], (after - before) * scales[at], change, change);
            }
            if (change is not null) result.Add((place.Row, place.Position, change));
        }
        return result;
    }

    private static IEnumerable<(int Feature, float Before, float After)> Together(List<FeatureEdit> edits, Func<int, float> activation)
    {
        if (edits is [var only]) return [(only.Feature, activation(only.Feature), (only.Scale * activation(only.Feature)) + only.Offset)];
        return edits.GroupBy(e => e.Feature).Select(g =>
        {
            var before = activation(g.Key);
            return (g.Key, before, g.Aggregate(before, (f, e) => (e.Scale * f) + e.Offset));
        });
    }
}
