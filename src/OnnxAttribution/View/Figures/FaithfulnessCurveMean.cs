namespace OnnxAttribution.View.Figures;

/// <summary>One curve, a mean over prompts.</summary>
/// <param name="Points">By ascending size.</param>
internal sealed record FaithfulnessCurveMean(string Ablation, string Errors, IReadOnlyList<FaithfulnessSize> Points)
{
    /// <summary>What happens to what is outside the circuit, and to errors.</summary>
    public string Title =>
        $"{Ablation switch { "zero" => "set to 0", "mean" => "set to the mean", "patch" => "patched", _ => Ablation }}, "
        + $"{Errors switch { "keep" => "errors kept", "remove" => "errors ablated", "nodes" => "errors are nodes", _ => Errors }}";
}
