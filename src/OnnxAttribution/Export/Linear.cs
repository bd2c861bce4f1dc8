namespace OnnxAttribution.Export;

/// <summary>A linear layer of a checkpoint.</summary>
/// <param name="Name">Its tensors' name without <c>.weight</c> and <c>.bias</c>.</param>
/// <param name="OutFirst">The weight lies as [out, in] (PyTorch's Linear), not as [in, out] (GPT-2's Conv1D).</param>
/// <param name="HasBias">The checkpoint has a bias [out].</param>
internal sealed record Linear(string Name, int In, int Out, bool OutFirst, bool HasBias)
{
    public string Weight => Name + ".weight";

    public string Bias => Name + ".bias";

    public long[] Shape => OutFirst ? [Out, In] : [In, Out];
}
