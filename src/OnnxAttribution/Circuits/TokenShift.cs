namespace OnnxAttribution.Circuits;

/// <summary>A next token's probability before and after an ablation.</summary>
public readonly record struct TokenShift(int Token, double Clean, double Ablated)
{
    public double Change => Ablated - Clean;

    /// <summary>The change as a share of the former probability.</summary>
    public double Relative => Change / Clean;
}
