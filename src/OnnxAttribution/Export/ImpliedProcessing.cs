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
    /// <param name="logitsAreCapped">Its logits have a soft cap: TransformerLens then leaves the unembedding whatever it is told.</param>
    /// <returns>The options with what the dictionaries ask for switched on.</returns>
    /// <exception cref="BundleException">Two were trained on models whose sites differ; the message names both.</exception>
    public static ExportOptions Of(ExportOptions options, IEnumerable<DictionaryConfig> dictionaries, bool normIsRms,
        bool logitsAreCapped = false)
    {
        if (!options.AsTrained) return options;
        var all = dictionaries.ToList();
        // with RMSNorm TransformerLens centres nothing whatever it is told
        var affected = normIsRms ? [] : all.FindAll(SeesTheMean);
        var (centred, other) = (affected.Find(d => d.CenterWritingWeights is true), affected.Find(d => d.CenterWritingWeights is false));
        if (centred is not null && other is not null && !options.CenterWritingWeights)
        {
            throw Apart(centred, "with centred writing weights", other, "without", Setting.CenterWritingWeights);
        }
        if (Heads(all, true) is { } folded && Heads(all, false) is { } unfolded && !options.FoldValueBiases)
        {
            throw Apart(folded, "whose value biases were folded away", unfolded, "whose were not", Setting.FoldValueBiases);
        }
        // TransformerLens folds LayerNorm first, unless it is told not to: its bias becomes one of the values
        var (whole, alone) = normIsRms ? (null, null)
            : (Heads(all, true, d => d.FoldLayerNorm is not false), Heads(all, true, d => d.FoldLayerNorm is false));
        if (whole is not null && alone is not null && !options.FoldLayerNorm)
        {
            throw Apart(whole, "whose LayerNorm was folded before its value biases", alone, "whose was not", Setting.FoldLayernorm);
        }
        var processed = options with
        {
            FoldValueBiases = options.FoldValueBiases || Heads(all, true) is not null,
            CenterWritingWeights = options.CenterWritingWeights || centred is not null,
            FoldLayerNorm = options.FoldLayerNorm || whole is not null || (alone is null && all.Exists(d => d.FoldLayerNorm is true)),
            CenterUnembed = options.CenterUnembed || (!logitsAreCapped && all.Exists(d => d.CenterUnembed is true)),
        };
        if (processed.FoldLayerNorm && all.Find(d => d.FoldLayerNorm is false && ReadsGain(d)) is { } gained)
        {
            throw new BundleException($"the dictionary of {gained.HookName} was trained on a model whose norms were not folded, and reads "
                + "what is behind their gain; export it into a bundle of its own, or decide yourself")
            {
                Settings = [Setting.FoldLayernorm, Setting.NotAsTrained]
            };
        }
        return processed;
    }

    // what the MLP reads has lost the norm's gain and bias where they are folded into it
    private static bool ReadsGain(DictionaryConfig d) => d.HookName.EndsWith(".mlp.hook_in", StringComparison.Ordinal);

    private static BundleException Apart(DictionaryConfig one, string how, DictionaryConfig other, string otherwise, Setting setting) =>
        new($"the dictionary of {one.HookName} was trained on a model {how}, that of {other.HookName} on one {otherwise}; "
            + "export them into two bundles, or decide for one of the two")
        {
            Settings = [setting, Setting.NotAsTrained]
        };

    // only attn.hook_z sees the values
    private static DictionaryConfig? Heads(List<DictionaryConfig> all, bool fold, Predicate<DictionaryConfig>? which = null) =>
        all.Find(d =>
            d.FoldValueBiases == fold && d.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal) && (which?.Invoke(d) ?? true));

    // layer_norm takes the mean away itself, and heads read the residual stream through LayerNorm
    private static bool SeesTheMean(DictionaryConfig d) =>
        d.Normalization != InputNormalization.LayerNorm && !d.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal);
}
