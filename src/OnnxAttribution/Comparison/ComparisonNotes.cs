using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Comparison;

/// <summary>In what two compared runs differ, a sentence each.</summary>
internal static class ComparisonNotes
{
    public static IReadOnlyList<string> Of(ComparedSide a, ComparedSide b, RunAlignment alignment)
    {
        var (recordA, recordB) = (a.Stored.Record, b.Stored.Record);
        var notes = new List<string>();
        if (RealPath.Of(MergedRun.Locate(a.Run)) == RealPath.Of(MergedRun.Locate(b.Run)))
        {
            notes.Add("A and B are the same run, so nothing can differ");
        }
        if (recordA is PromptRunRecord { TokenStrings: { } tokensA } && recordB is PromptRunRecord { TokenStrings: { } tokensB }
            && !tokensA.SequenceEqual(tokensB) && alignment == RunAlignment.Position)
        {
            var lengths = tokensA.Count == tokensB.Count ? "" : $" ({tokensA.Count} and {tokensB.Count} tokens)";
            notes.Add($"the prompts differ{lengths}: positions are counted from the first token, whatever stands there");
        }
        if (Metric(recordA) != Metric(recordB))
        {
            notes.Add($"A explains {Metric(recordA)}, B {Metric(recordB)}: effects are of different things");
        }
        if (recordA is AblationRunRecord != recordB is AblationRunRecord)
        {
            notes.Add("edges of one run are changes of downstream activations, of the other changes of the metric: "
                + "compare which there are, not their effects");
        }
        if (!ComparedDictionaries.IsSameModel(a, b))
        {
            var seen = ComparedDictionaries.AreSeen(a, b) ? "the same dictionaries"
                : "nobody has looked whether their dictionaries are the same, since a bundle is gone or changed";
            notes.Add($"the models differ ({recordA.Model ?? "A"}, {recordB.Model ?? "B"}): {seen}");
        }
        if (Options(recordA, recordB) is { Length: > 0 } options) notes.Add($"asked otherwise: {options}");
        return notes;
    }

    private static string Metric(RunRecord record) => record is PromptRunRecord { Target: { } target, Foil: var foil }
        ? $"{record.Metric} of '{target}'{(foil is null ? "" : $" over '{foil}'")}" : record.Metric ?? "its metric";

    private static string Options(RunRecord a, RunRecord b)
    {
        var (ofA, ofB) = (Texts(a), Texts(b));
        return string.Join(", ", ofA.Keys.Union(ofB.Keys).Where(name => name != "memory_bytes"
                && ofA.GetValueOrDefault(name) != ofB.GetValueOrDefault(name))
            .Select(name => $"{name.Replace('_', ' ')} {ofA.GetValueOrDefault(name) ?? "–"} / {ofB.GetValueOrDefault(name) ?? "–"}"));
    }

    private static Dictionary<string, string> Texts(RunRecord record) =>
        record.Asked is { } asked ? RunJson.Texts(asked).ToDictionary(t => t.Name, t => t.Text) : [];
}
