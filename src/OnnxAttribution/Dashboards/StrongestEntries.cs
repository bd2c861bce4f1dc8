namespace OnnxAttribution.Dashboards;

/// <summary>The largest entries of a long row.</summary>
internal static class StrongestEntries
{
    /// <summary>Largest first, the lower index first where two are equal.</summary>
    /// <param name="passedOver">An entry that does not count; −1: all do.</param>
    public static List<(int Index, float Value)> Find(ReadOnlySpan<float> row, int most, int passedOver = -1)
    {
        var found = new List<(int Index, float Value)>(most + 1);
        var least = float.NegativeInfinity;
        for (var i = 0; i < row.Length; i++)
        {
            if (row[i] <= least || i == passedOver) continue;     // NaN never enters either: it would compare as false below
            var at = found.Count;
            while (at > 0 && found[at - 1].Value < row[i]) at--;
            found.Insert(at, (i, row[i]));
            if (found.Count > most) found.RemoveAt(most);
            if (found.Count == most) least = found[^1].Value;
        }
        return found;
    }
}
