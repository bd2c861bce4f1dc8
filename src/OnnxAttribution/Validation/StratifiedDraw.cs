using OnnxAttribution.Bundles;

namespace OnnxAttribution.Validation;

/// <summary>Items in groups that take turns in giving one; none is given twice.</summary>
/// <param name="strength">Largest first.</param>
internal sealed class StratifiedDraw<T>(IEnumerable<T> items, Func<T, (Site, Site?, bool)> groupOf, Func<T, float> strength)
    where T : notnull
{
    private List<T> _left = [.. items];

    /// <summary>Each group's strongest, then each one's second, and so on.</summary>
    public List<T> Strongest(int count) => Take(count, [.. _left.OrderByDescending(strength)], strength);

    /// <summary>One of each group at random, then another of each, and so on; in each turn groups in random order.</summary>
    public List<T> AtRandom(int count, Random random)
    {
        if (count <= 0 || _left.Count == 0) return [];
        var shuffled = _left.ToArray();
        random.Shuffle(shuffled);
        return Take(count, shuffled, _ => 0);
    }

    private List<T> Take(int count, T[] ordered, Func<T, float> within)
    {
        var turns = new Dictionary<(Site, Site?, bool), int>();
        var taken = ordered.Select(item =>
        {
            var group = groupOf(item);
            var turn = turns.GetValueOrDefault(group);
            turns[group] = turn + 1;
            return (item, turn);
        }).OrderBy(t => t.turn).ThenByDescending(t => within(t.item)).Take(Math.Max(0, count)).Select(t => t.item).ToList();
        var gone = taken.ToHashSet();
        _left = [.. _left.Where(i => !gone.Contains(i))];
        return taken;
    }
}
