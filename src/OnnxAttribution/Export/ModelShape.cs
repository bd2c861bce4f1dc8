namespace OnnxAttribution.Export;

/// <summary>The sizes of a model.</summary>
/// <param name="ModelType">config.json's <c>model_type</c>.</param>
/// <param name="KeyValueHeads">Heads of keys and values; fewer than <paramref name="Heads"/> where several heads share one.</param>
/// <param name="HeadWidth">d_head; <paramref name="Heads"/> times it need not be <paramref name="Width"/>.</param>
/// <param name="InnerWidth">d_mlp.</param>
/// <param name="Positions">Longest input in tokens.</param>
internal sealed record ModelShape(string ModelType, int Layers, int Width, int Heads, int KeyValueHeads, int HeadWidth, int InnerWidth,
    int VocabularySize, int Positions);
