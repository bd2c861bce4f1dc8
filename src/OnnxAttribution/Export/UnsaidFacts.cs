using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>What the files of dictionaries do not say and their numbers depend on:
/// how each was read instead, and where the fact belongs.</summary>
internal static class UnsaidFacts
{
    private const string Again = "in cfg.json and export again";

    /// <param name="dictionaries">With their folders.</param>
    /// <param name="processed">How the model is processed for them.</param>
    /// <param name="hasValueBiases">The model's values have biases, or get LayerNorm's when it is folded.</param>
    /// <returns>One line for each kind of fact.</returns>
    public static IEnumerable<string> Of(IReadOnlyList<(string Place, DictionaryConfig Config)> dictionaries, ExportOptions processed,
        bool hasValueBiases)
    {
        if (Some(dictionaries, c => c is { Normalization: InputNormalization.ExpectedAverage, NormScalingFactor: null }) is { } factor)
        {
            yield return $"{factor}: normalize_activations is 'expected_average_only_in' and norm_scaling_factor, "
                + "by which the input was multiplied, is missing; it is read as 1. "
                + $"Write the number of its training, \"norm_scaling_factor\": NUMBER, {Again}";
        }
        foreach (var facts in dictionaries.Select(d => d.Config.FromRelease).OfType<FactsOfRelease>().Where(f => f.Keys.Count > 0)
            .DistinctBy(f => (f.Release, string.Join(' ', f.Keys))))
        {
            var (keys, it, isIt) = facts.Keys.Count == 1 ? (facts.Keys[0], "it", "is") : (string.Join(" and ", facts.Keys), "them", "are");
            var some = Some(dictionaries, c => c.FromRelease is { } f && f.Release == facts.Release && f.Keys.SequenceEqual(facts.Keys));
            yield return $"{some}: {keys} {isIt} missing; {(isIt == "is" ? "it is" : "they are")} read as the table of releases has "
                + $"{it} for {facts.Release}. "
                + $"If it is another dictionary, write its own {Again}";
        }
        if (hasValueBiases && Some(dictionaries,
            c => c.FoldValueBiases is null && c.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal)) is { } heads)
        {
            yield return $"{heads}: model_from_pretrained_kwargs does not say fold_value_biases, so it is not known which hook_z it was "
                + $"trained on; it is read {(processed.FoldValueBiases ? "without" : "with")} the values' biases. "
                + "TransformerLens folds them by default: \"model_from_pretrained_kwargs\": {\"fold_value_biases\": "
                + $"true}}, or false, {Again}";
        }
    }

    private static string? Some(IReadOnlyList<(string Place, DictionaryConfig Config)> dictionaries, Func<DictionaryConfig, bool> lacks)
    {
        var places = dictionaries.Where(d => lacks(d.Config)).Select(d => d.Place).ToList();
        return places.Count switch { 0 => null, 1 => places[0], var n => $"{places[0]} and {n - 1} more" };
    }
}
