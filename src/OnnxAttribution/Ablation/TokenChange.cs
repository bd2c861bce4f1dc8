namespace OnnxAttribution.Ablation;

/// <summary>One of the tokens whose probability moved most when a feature was ablated.</summary>
/// <param name="Node">Index of the ablated node in <see cref="AblationGraph.Nodes"/>.</param>
/// <param name="Up">Whether the probability rose.</param>
/// <param name="Rank">From 1, by |<paramref name="Change"/>| among those that moved the same way.</param>
/// <param name="Token">Token id.</param>
/// <param name="Clean">Its probability in the clean run, at the metric's position.</param>
/// <param name="Change">Probability after the ablation minus before.</param>
public readonly record struct TokenChange(int Node, bool Up, int Rank, int Token, float Clean, float Change)
{
    public float Ablated => Clean + Change;
}
