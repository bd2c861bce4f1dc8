using OnnxAttribution.Lenses;

namespace OnnxAttribution.Runs;

/// <summary>Means over prompts of what lenses show at each one's metric.</summary>
internal static class LensMean
{
    public static IReadOnlyList<LensReading> Readings(IReadOnlyList<Lens> prompts) =>
    [
        .. prompts[0].Readings.Select((r, i) => new LensReading(r.Site, r.Depth, null, prompts.Average(p => p.Readings[i].Value), [])),
    ];

    /// <summary>What a prompt does not have counts 0: a feature that is not active adds nothing.</summary>
    public static IReadOnlyList<LensSummand> Summands(IReadOnlyList<Lens> prompts)
    {
        var (sums, order) = (new Dictionary<(SummandKind, string, string?), double>(), new List<LensSummand>());
        foreach (var summand in prompts.SelectMany(p => p.Summands))
        {
            var key = (summand.Kind, summand.Name, summand.Of);
            if (!sums.TryAdd(key, summand.Value)) sums[key] += summand.Value;
            else order.Add(summand);
        }
        var means = order.Select(s => s with { Value = sums[(s.Kind, s.Name, s.Of)] / prompts.Count, Activation = float.NaN }).ToList();
        return [.. means.Where(s => s.Of is null), .. means.Where(s => s.Of is not null)];
    }
}
