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
        if (Some(dictionaries, c => c.FactorOfRelease is not null) is { } release)
        {
            yield return $"{release}: norm_scaling_factor is missing; it is read as SAELens's table has it for the release "
                + $"{dictionaries.First(d => d.Config.FactorOfRelease is not null).Config.FactorOfRelease}. "
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
