namespace OnnxAttribution.Checkpoints;

/// <summary>The tensors that a checkpoint of some config has, and those that it must not have.</summary>
/// <param name="ModelType">config.json's <c>model_type</c>, for messages.</param>
/// <param name="Prefix">What may stand before every name, such as <c>transformer.</c>; checkpoints of the bare model have none.</param>
/// <param name="Tensors">All tensors that the prefix may stand before; the first tells whether it does.</param>
/// <param name="Unembedding">A tensor of the model with a head, never with the prefix; null where the embedding serves.</param>
/// <param name="Head">What a model with a head calls the unembedding, also one that is tied:
/// a file may have it in place of the embedding.</param>
/// <param name="Blocks">What the names of a block's tensors begin with: <c>h.</c>, then its number and a dot.</param>
/// <param name="Layers">Number of blocks.</param>
/// <param name="LayersKey">config.json's key for it.</param>
/// <param name="Buffers">Ends of names within a block that are no weights, such as a stored causal mask.</param>
internal sealed record CheckpointLayout(
    string ModelType, string Prefix, IReadOnlyList<TensorSpec> Tensors, TensorSpec? Unembedding, string Head, string Blocks, int Layers,
    string LayersKey, IReadOnlyList<string> Buffers)
{
    /// <summary>A tensor of the model with a head, never with the prefix; null: there is none.</summary>
    public TensorSpec? UnembeddingBias { get; init; }

    /// <summary>Tensors of the model with a head alone.</summary>
    public IEnumerable<TensorSpec> OfHead => new[] { Unembedding, UnembeddingBias }.OfType<TensorSpec>();
}
