using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>A block of a model: attention and an MLP, each of which adds to the residual stream.</summary>
/// <param name="IsParallel">Both read the stream that enters the block, so that there is no <c>hook_resid_mid</c>.</param>
internal sealed record BlockLayout(AttentionLayout Attention, MlpLayout Mlp, bool IsParallel = false)
{
    /// <summary>Every normalisation, in the order of computation; one that both sublayers read stands here once.</summary>
    public IEnumerable<Norm> Norms =>
        new[] { Attention.Before, Attention.QueryNorm, Attention.KeyNorm, Attention.After, Mlp.Before, Mlp.After }
            .OfType<Norm>()
            .DistinctBy(n => n.Name);

    /// <summary>The linear layers that read from the residual stream, in the order of computation,
    /// each with the norm that lies between; null: none.</summary>
    public IEnumerable<(Linear Linear, Norm? Norm)> Readers =>
        [.. Attention.Heads.Linears.Select(l => (l, Attention.Before)), .. Mlp.Readers.Select(l => (l, Mlp.Before))];

    /// <summary>The linear layers that write to it.</summary>
    public IEnumerable<Linear> Writers => [Attention.Out, Mlp.Out];
}

/// <summary>An attention sublayer.</summary>
/// <param name="Heads">How queries, keys and values come out of the residual stream.</param>
/// <param name="Out">W_O and b_O.</param>
internal sealed record AttentionLayout(HeadLayout Heads, Linear Out)
{
    /// <summary>Of the residual stream; null: it is read as it is.</summary>
    public Norm? Before { get; init; }

    /// <summary>Of what is added to the residual stream; null: none.</summary>
    public Norm? After { get; init; }

    /// <summary>Of queries, before they are turned: over each head, or over all of them side by side; null: none.</summary>
    public Norm? QueryNorm { get; init; }

    /// <summary>Of keys, likewise.</summary>
    public Norm? KeyNorm { get; init; }

    /// <summary>Turns queries and keys by their positions; null: not.</summary>
    public RotaryConfig? Rotary { get; init; }

    /// <summary>A query looks at this many positions, its own the last; null: at all before it.</summary>
    public int? Window { get; init; }

    /// <summary>What queries are multiplied by; null: 1/√d_head.</summary>
    public float? Scale { get; init; }

    /// <summary>A soft cap of the scores: c tanh(score / c); null: none.</summary>
    public float? Cap { get; init; }
}

/// <summary>An MLP.</summary>
/// <param name="In">Yields what the activation function reads.</param>
/// <param name="Up">Multiplies what the activation function yields; null: nothing does.</param>
/// <param name="Out">Writes to the residual stream.</param>
internal sealed record MlpLayout(Activation Activation, Linear In, Linear? Up, Linear Out)
{
    /// <summary>Of the residual stream; null: it is read as it is.</summary>
    public Norm? Before { get; init; }

    /// <summary>Of what is added to the residual stream; null: none.</summary>
    public Norm? After { get; init; }

    /// <summary>The linear layers that read from the residual stream.</summary>
    public IEnumerable<Linear> Readers => Up is null ? [In] : [In, Up];
}
