namespace OnnxAttribution.Checkpoints;

/// <summary>The activation φ of a dictionary.</summary>
internal enum DictionaryArchitecture
{
    /// <summary>ReLU (SAELens: <c>standard</c>).</summary>
    Standard,

    /// <summary>The k largest pre-activations, then ReLU (SAELens: <c>topk</c>).</summary>
    TopK,

    /// <summary>ReLU, and 0 up to a threshold of each feature's own (SAELens:
    /// <c>jumprelu</c>, which is also how it saves <c>batchtopk</c>).</summary>
    JumpRelu,

    /// <summary>A gate decides which features are active, a scaled copy of the same product how much (SAELens:
    /// <c>gated</c>; Rajamanoharan et al. 2024, arXiv:2404.16014).</summary>
    Gated,
}

internal static class DictionaryArchitectures
{
    /// <summary>SAELens's name.</summary>
    public static string Name(this DictionaryArchitecture architecture) => architecture switch
    {
        DictionaryArchitecture.TopK => "topk",
        DictionaryArchitecture.JumpRelu => "jumprelu",
        DictionaryArchitecture.Gated => "gated",
        _ => "standard",
    };

    /// <summary>Tensors [d_sae] that it has beside <c>W_enc</c>, <c>W_dec</c> and <c>b_dec</c>.</summary>
    public static IReadOnlyList<string> FeatureTensors(this DictionaryArchitecture architecture) => architecture switch
    {
        DictionaryArchitecture.JumpRelu => ["b_enc", "threshold"],
        DictionaryArchitecture.Gated => ["b_gate", "b_mag", "r_mag"],
        _ => ["b_enc"],
    };
}
