namespace OnnxAttribution.Export;

/// <summary>A normalisation of the residual stream.</summary>
/// <param name="Name">Its tensors' name without <c>.weight</c> and <c>.bias</c>.</param>
/// <param name="IsRms">RMSNorm: divides by √(mean x² + ε) and scales.
/// Otherwise LayerNorm, which takes the mean out first and adds a bias at the end.</param>
internal sealed record Norm(string Name, bool IsRms, float Epsilon)
{
    public string Weight => Name + ".weight";

    public string Bias => Name + ".bias";
}
