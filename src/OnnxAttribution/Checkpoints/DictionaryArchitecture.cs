namespace OnnxAttribution.Checkpoints;

/// <summary>The activation φ of a dictionary.</summary>
internal enum DictionaryArchitecture
{
    /// <summary>ReLU (SAELens: <c>standard</c>).</summary>
    Standard,

    /// <summary>The k largest pre-activations, then ReLU (SAELens: <c>topk</c>).</summary>
    TopK,
}
