using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>
/// Weight processing that dictionaries ask for by what their cfg.json says they were trained on
/// (<c>model_from_pretrained_kwargs</c>): a dictionary sees other activations where the writing weights are not centred as they were
/// then. Folding LayerNorm and centring the unembedding change no site, so any dictionary may ask for them; only where the values'
/// biases are folded too, LayerNorm's bias goes with them, and out of <c>attn.hook_z</c>.
/// </summary>
internal static class ImpliedProcessing
{
    /// <param name="normIsRms">The model normalises by RMSNorm, which reads the mean.</param>
    /// <returns>The options with what the dictionaries ask for switched on.</returns>
    /// <exception cref="BundleException">Two were trained on models whose sites differ; the message names both.</exception>
    public static ExportOptions Of(ExportOptions options, IEnumerable<DictionaryConfig> dictionaries, bool normIsRms)
    {
        if (!options.AsTrained) return options;
        var all = dictionaries.ToList();
        // with RMSNorm TransformerLens centres nothing whatever it is told
        var affected = normIsRms ? [] : all.FindAll(SeesTheMean);
        var (centred, other) = (affected.Find(d => d.CenterWritingWeights is true), affected.Find(d => d.CenterWritingWeights is false));
        if (centred is not null && other is not null && !options.CenterWritingWeights)
        {
            throw new BundleException($"the dictionary of {centred.HookName} was trained on a model with centred writing weights, "
                + $"that of {other.HookName} on one without; export them into two bundles, "
                + "or decide for one of the two")
            {
                Settings = [Setting.CenterWritingWeights, Setting.NotAsTrained]
            };
        }
        if (Heads(all, true) is { } folded && Heads(all, false) is { } unfolded && !options.FoldValueBiases)
        {
            throw new BundleException($"the dictionary of {folded.HookName} was trained on a model whose value biases were folded away, "
                + $"that of {unfolded.HookName} on one whose were not; export them into two bundles, "
                + "or decide for one of the two")
            {
                Settings = [Setting.FoldValueBiases, Setting.NotAsTrained]
            };
        }
        // TransformerLens folds LayerNorm first, unless it is told not to: its bias becomes one of the values
        var (whole, alone) = normIsRms
            ? (null, null)
            : (Heads(all, true, d => d.FoldLayerNorm is not false), Heads(all, true, d => d.FoldLayerNorm is false));
        if (whole is not null && alone is not null && !options.FoldLayerNorm)
        {
            throw new BundleException($"the dictionary of {whole.HookName} was trained on a model whose LayerNorm was folded before its "
                + $"value biases, that of {alone.HookName} on one whose was not; export them into two bundles, "
                + "or decide for one of the two")
            {
                Settings = [Setting.FoldLayernorm, Setting.NotAsTrained]
            };
        }
        return options with
        {
            FoldValueBiases = options.FoldValueBiases || Heads(all, true) is not null,
            CenterWritingWeights = options.CenterWritingWeights || centred is not null,
            FoldLayerNorm = options.FoldLayerNorm || whole is not null || (alone is null && all.Exists(d => d.FoldLayerNorm is true)),
            CenterUnembed = options.CenterUnembed || all.Exists(d => d.CenterUnembed is true),
        };
    }

    // only attn.hook_z sees the values
    private static DictionaryConfig? Heads(List<DictionaryConfig> all, bool fold, Predicate<DictionaryConfig>? which = null) =>
        all.Find(d =>
            d.FoldValueBiases == fold && d.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal) && (which?.Invoke(d) ?? true));

    // layer_norm takes the mean away itself, and heads read the residual stream through LayerNorm
    private static bool SeesTheMean(DictionaryConfig d) =>
        d.Normalization != InputNormalization.LayerNorm && !d.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal);
}
