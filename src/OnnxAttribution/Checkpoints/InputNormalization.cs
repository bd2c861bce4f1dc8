namespace OnnxAttribution.Checkpoints;

/// <summary>What a dictionary does to its input before it encodes.</summary>
internal enum InputNormalization
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Removes each row's mean and divides by its unbiased standard deviation + 1e-5;
    /// the decoder multiplies and adds them back.</summary>
    LayerNorm,

    /// <summary>Scales each row to the length √d; the decoder scales back.</summary>
    ConstantNorm,

    /// <summary>Trained on inputs times one number. Where the number is not given,
    /// it is taken to lie in the weights, as SAELens does.</summary>
    ExpectedAverage,
}

internal static class InputNormalizations
{
    /// <summary>SAELens's name.</summary>
    public static string Name(this InputNormalization normalization) => normalization switch
    {
        InputNormalization.LayerNorm => "layer_norm",
        InputNormalization.ConstantNorm => "constant_norm_rescale",
        InputNormalization.ExpectedAverage => "expected_average_only_in",
        _ => "none",
    };
}
