using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>
/// Weight processing that dictionaries ask for by what their cfg.json says they were trained on (<c>model_from_pretrained_kwargs</c>): a dictionary sees other activations where the writing weights are not centred as they
/// were then. Folding LayerNorm and centring the unembedding change no site, so any dictionary may ask for them.
/// </summary>
internal static class ImpliedProcessing
{
    /// <param name="normIsRms">The model normalises by RMSNorm, which reads the mean.</param>
    /// <returns>The options with what the dictionaries ask for switched on.</returns>
    /// <exception cref="BundleException">One was trained with centred writing weights, another without; the message names both.</exception>
    public static ExportOptions Of(ExportOptions options, IEnumerable<DictionaryConfig> dictionaries, bool normIsRms)
    {
        if (!options.AsTrained) return options;
        var all = dictionaries.ToList();
        // with RMSNorm TransformerLens centres nothing whatever it is told
        var affected = normIsRms ? [] : all.FindAll(SeesTheMean);
        var (centred, other) = (affected.Find(d => d.CenterWritingWeights is true), affected.Find(d => d.CenterWritingWeights is false));
        if (centred is not null && other is not null && !options.CenterWritingWeights)
        {
            throw new BundleException($"the dictionary of {centred.HookName} was trained on a model with centred writing weights, that of {other.HookName} on one without; export them into two bundles, "
                + "or decide with --center-writing-weights or --not-as-trained");
        }
        if (Heads(all, true) is { } folded && Heads(all, false) is { } unfolded && !options.FoldValueBiases)
        {
            throw new BundleException($"the dictionary of {folded.HookName} was trained on a model whose value biases were folded away, that of {unfolded.HookName} on one whose were not; export them into two bundles, "
                + "or decide with --fold-value-biases or --not-as-trained");
        }
        return options with
        {
            FoldValueBiases = options.FoldValueBiases || Heads(all, true) is not null,
            CenterWritingWeights = options.CenterWritingWeights || centred is not null,
            FoldLayerNorm = options.FoldLayerNorm || all.Exists(d => d.FoldLayerNorm is true),
            CenterUnembed = options.CenterUnembed || all.Exists(d => d.CenterUnembed is true),
        };
    }

    // only attn.hook_z sees the values
    private static DictionaryConfig? Heads(List<DictionaryConfig> all, bool fold) => all.Find(d => d.FoldValueBiases == fold && d.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal));

    // layer_norm takes the mean away itself, and heads read the residual stream through LayerNorm
    private static bool SeesTheMean(DictionaryConfig d) => d.Normalization != InputNormalization.LayerNorm && !d.HookName.EndsWith(".attn.hook_z", StringComparison.Ordinal);
}
