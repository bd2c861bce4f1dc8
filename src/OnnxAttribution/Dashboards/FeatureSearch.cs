namespace OnnxAttribution.Dashboards;

/// <summary>Finds features by a word: those active on it, those that promote it, and those labelled with it.</summary>
internal static class FeatureSearch
{
    /// <summary>All that match, best first.</summary>
    /// <param name="word">Any text, a part of a word or of several; capitals do not matter.
    /// It may be of several tokens: one of them must be active with at least half of the context's peak.</param>
    /// <param name="sites">Hook names; null: all.</param>
    /// <exception cref="Store.RunDirectoryException">The table is damaged.</exception>
    public static IReadOnlyList<FeatureMatch> Find(FeatureTable table, string word, IReadOnlyCollection<string>? sites = null,
        RunLabels? labels = null, CancellationToken cancel = default)
    {
        var matches = new List<FeatureMatch>();
        var labelled = labels?.With(word, sites).ToHashSet() ?? [];
        var found = table.WithWord(word, sites, cancel).ToList();
        found.AddRange(table.Read([.. labelled.Except(found.Select(f => (f.Site, f.Feature)))], cancel).Values);
        foreach (var feature in found)
        {
            var contexts = feature.Contexts.Where(c => IsActiveOn(c, word)).ToList();
            string[] promoted = [.. feature.Promoted.Select(t => t.Token).Where(t => t.Contains(word, StringComparison.OrdinalIgnoreCase))];
            var isLabelled = labelled.Contains((feature.Site, feature.Feature));
            if (contexts.Count + promoted.Length > 0 || isLabelled)
            {
                matches.Add(new FeatureMatch(feature, contexts.Count(c => c.Quantile == 0), contexts.Count(c => c.Quantile > 0), promoted,
                    contexts.FirstOrDefault())
                {
                    Label = labels?[feature.Site, feature.Feature]?.Label,
                    IsLabelled = isLabelled
                });
            }
        }
        // stable: in the table's order else
        return [.. matches.OrderByDescending(m => m.Rank).ThenByDescending(m => m.Weaker).ThenByDescending(m => m.Feature.MaxActivation)];
    }

    private static bool IsActiveOn(FeatureContext context, string word)
    {
        var text = string.Concat(context.Tokens);
        var enough = context.Activations.Max() / 2;
        for (var at = text.IndexOf(word, StringComparison.OrdinalIgnoreCase);
            at >= 0; at = text.IndexOf(word, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            var start = 0;
            for (var i = 0; i < context.Tokens.Count; i++)
            {
                var end = start + context.Tokens[i].Length;
                if (start < at + word.Length && end > at && context.Activations[i] > 0 && context.Activations[i] >= enough) return true;
                start = end;
            }
        }
        return false;
    }
}
