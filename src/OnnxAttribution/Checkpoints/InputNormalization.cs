namespace OnnxAttribution.Checkpoints;

/// <summary>What a dictionary does to its input before it encodes.</summary>
internal enum InputNormalization
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Removes each row's mean and divides by its unbiased standard deviation + 1e-5; the decoder multiplies and adds them back.</summary>
    LayerNorm,
}
