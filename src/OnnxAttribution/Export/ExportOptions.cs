using OnnxAttribution.Bundles;

namespace OnnxAttribution.Export;

/// <summary>How a checkpoint becomes a bundle. The kinds of weight processing are TransformerLens's;
/// none changes log-probabilities.</summary>
/// <param name="Checkpoint">Directory with config.json and model.safetensors (and tokenizer.json, or vocab.json and merges.txt).</param>
/// <param name="Dictionaries">Directories that hold dictionaries, at any depth and of any format that is known;
/// null or empty: <c>dictionaries</c> in the checkpoint, if there.</param>
/// <param name="Out">The bundle to write; may be the checkpoint's own directory.</param>
/// <param name="FoldLayerNorm">Fold LayerNorm weights and biases into the weights that read from it (fold_ln).</param>
/// <param name="CenterWritingWeights">Subtract the mean over d_model from everything that writes to the residual stream.</param>
/// <param name="CenterUnembed">Subtract the mean over the vocabulary from the unembedding.</param>
/// <param name="Force">Replace a bundle that is there.</param>
/// <param name="Threads">Threads that check and hash files; 0: one per core.</param>
internal sealed record ExportOptions(
    string Checkpoint, IReadOnlyList<string>? Dictionaries, string Out, bool FoldLayerNorm = false, bool CenterWritingWeights = false,
    bool CenterUnembed = false, bool Force = false, int Threads = 0)
{
    /// <summary>Kinds of hooks that become sites at every block even without a dictionary:
    /// <see cref="SiteKind.ResidMid"/>, <see cref="SiteKind.Z"/>.</summary>
    public IReadOnlyList<SiteKind> FurtherSites { get; init; } = [];

    /// <summary>Move the values' biases into what attention adds (fold_value_biases):
    /// <c>attn.hook_z</c> holds the values without them.</summary>
    public bool FoldValueBiases { get; init; }

    /// <summary>Also process the weights as the dictionaries say that the model was which they were trained on.</summary>
    public bool AsTrained { get; init; } = true;

    /// <summary>Write beside each dictionary what finds its active features without reading its W_enc, five quarters of that in
    /// bytes: graphs are quicker, and the same.</summary>
    public bool Screens { get; init; }

    internal int Parallelism => Threads > 0 ? Threads : Environment.ProcessorCount;

    public bool ChangesWeights => ChangesUnembedding || FoldValueBiases;

    /// <summary>A tied unembedding is no longer the embedding then.</summary>
    internal bool ChangesUnembedding => FoldLayerNorm || CenterWritingWeights || CenterUnembed;
}
