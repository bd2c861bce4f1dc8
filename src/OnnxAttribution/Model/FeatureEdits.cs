using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Model;

/// <summary>f → scale · f + offset for one feature, at one position or all, in one row or all.</summary>
internal readonly record struct FeatureEdit(int Feature, float Scale, float Offset, int? Position, int? Row);

/// <summary>
/// What changes of features add to a site's activation: Σ (f' − f) · decoder row,
/// with f the current activation and the row as it counts there. Edits of one feature at one place follow one another.
/// </summary>
internal static class FeatureEdits
{
    /// <param name="x">[rows or 1, T, d].</param>
    /// <returns>Row, position and change [d], for the places at which something changes.</returns>
    public static IEnumerable<(int Row, int Position, ReadOnlyMemory<float> Change)> Changes(
        LoadedModel model, SparseDictionary dictionary, ReadOnlySpan<float> x, (int Rows, int Positions) pass,
        IReadOnlyList<FeatureEdit> edits)
    {
        var d = dictionary.Width;
        var isShared = x.Length == pass.Positions * d;
        var byPlace = ByPlace(edits, pass);
        // what is the same in all rows is encoded once
        var encoded = new Dictionary<(int Row, int Position), int>();
        foreach (var place in byPlace.Keys) encoded.TryAdd(isShared ? (0, place.Position) : place, encoded.Count);
        var gathered = new float[encoded.Count * d];
        foreach (var ((row, position), i) in encoded)
        {
            x.Slice(((row * pass.Positions) + position) * d, d).CopyTo(gathered.AsSpan(i * d));
        }
        var active = model.Encoder.Active(dictionary, gathered);
        var decoder = dictionary.DecoderRows([.. edits.Select(e => e.Feature).Distinct().Order()], model.Context.Threads);
        var result = new List<(int, int, ReadOnlyMemory<float>)>(byPlace.Count);
        foreach (var (place, here) in byPlace)
        {
            var at = encoded[isShared ? (0, place.Position) : place];
            var scale = dictionary.Normalization.Statistics(gathered.AsSpan(at * d, d)).Scale;
            float[]? change = null;
            foreach (var (feature, before, after) in Together(here, f => active.At(at, f)))
            {
                if (after == before) continue;
                change ??= new float[d];
                TensorPrimitives.MultiplyAdd(decoder[feature], (after - before) * scale, change, change);
            }
            if (change is not null) result.Add((place.Row, place.Position, change));
        }
        return result;
    }

    // the places that are asked for, each once
    private static SortedDictionary<(int Row, int Position), List<FeatureEdit>> ByPlace(IReadOnlyList<FeatureEdit> edits,
        (int Rows, int Positions) pass)
    {
        var byPlace = new SortedDictionary<(int Row, int Position), List<FeatureEdit>>();
        foreach (var e in edits)
        {
            for (var r = e.Row ?? 0; r <= (e.Row ?? pass.Rows - 1); r++)
            {
                for (var t = e.Position ?? 0; t <= (e.Position ?? pass.Positions - 1); t++)
                {
                    if (!byPlace.TryGetValue((r, t), out var here)) byPlace[(r, t)] = here = [];
                    here.Add(e);
                }
            }
        }
        return byPlace;
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
