namespace OnnxAttribution.Export;

/// <summary>A normalisation over the last axis: of the residual stream, or of queries or keys.</summary>
/// <param name="Name">Its tensors' name without <c>.weight</c> and <c>.bias</c>.</param>
/// <param name="Width">Entries that it is over.</param>
/// <param name="IsRms">RMSNorm: divides by √(mean x² + ε) and scales.
/// Otherwise LayerNorm, which takes the mean out first and adds a bias at the end.</param>
internal sealed record Norm(string Name, int Width, bool IsRms, float Epsilon)
{
    /// <summary>Added to the weight: 1 where a norm scales by 1 + w.</summary>
    public float Offset { get; init; }

    /// <summary>Its weight goes into no linear layer: what it yields is added to the residual stream, or are queries or keys.
    /// Folding norms leaves it alone.</summary>
    public bool IsKept { get; init; }

    public string Weight => Name + ".weight";

    public string Bias => Name + ".bias";
}
