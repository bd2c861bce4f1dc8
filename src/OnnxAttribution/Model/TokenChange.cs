namespace OnnxAttribution.Model;

/// <summary>What an ablation does to the probability of one next token.</summary>
/// <param name="Token">Token id.</param>
/// <param name="Clean">Its probability in the clean run, from 0 to 1.</param>
/// <param name="Ablated">Its probability with the ablation, from 0 to 1.</param>
internal readonly record struct TokenChange(int Token, double Clean, double Ablated)
{
    /// <summary>Probability with the ablation minus without. Set it where it is known more exactly than
    /// the difference of two rounded probabilities.</summary>
    public double Change { get; init; } = Ablated - Clean;

    /// <summary>The change as a share of the clean probability; not finite where that is 0.</summary>
    public double Relative => Change / Clean;
}
