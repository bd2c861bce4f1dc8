using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>In what Llama's kin differ from each other.</summary>
/// <param name="Rotary">Of every block, or of those that look back over all positions.</param>
/// <param name="Epsilon">Of every norm.</param>
/// <param name="IsTied">The tokens' embedding is the unembedding too.</param>
internal sealed record LlamaVariant(ModelShape Shape, Activation Activation, RotaryConfig Rotary, float Epsilon, bool IsTied)
{
    /// <summary>Queries, keys and values have biases.</summary>
    public bool QkvBias { get; init; }

    /// <summary>What attention adds has a bias.</summary>
    public bool OutBias { get; init; }

    /// <summary>The layers of the MLP have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>A query looks at this many positions, its own the last; null: at all before it.</summary>
    public int? Window { get; init; }

    /// <summary>Whether a block's <see cref="Window"/> counts.</summary>
    public Func<int, bool> HasWindow { get; init; } = _ => true;

    /// <summary>Of a block; null: <see cref="Rotary"/> is of every block.</summary>
    public Func<int, RotaryConfig>? RotaryOf { get; init; }

    /// <summary>Where the norms of the residual stream stand.</summary>
    public NormPlaces Norms { get; init; }

    /// <summary>Added to the weights of norms: 1 where they scale by 1 + w.</summary>
    public float NormOffset { get; init; }

    /// <summary>What the tokens' embedding is multiplied by; null: nothing.</summary>
    public float? EmbeddingScale { get; init; }

    /// <summary>What queries are multiplied by; null: 1/√d_head.</summary>
    public float? ScoreScale { get; init; }

    /// <summary>Soft caps of scores and logits; null: none.</summary>
    public (float? Scores, float? Logits) Caps { get; init; }

    /// <summary>What queries and keys are normalised over.</summary>
    public QueryKeyNorm QueryKeyNorm { get; init; }
}

/// <summary>Where a block's norms of the residual stream stand.</summary>
internal enum NormPlaces
{
    /// <summary>Before attention and MLP.</summary>
    Before,

    /// <summary>Behind each, of what is added.</summary>
    Behind,

    /// <summary>Before each, and behind it, of what is added.</summary>
    Around,
}

/// <summary>What an RMSNorm of queries, and one of keys, is over.</summary>
internal enum QueryKeyNorm
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>Each head by itself, all with the same weight.</summary>
    Head,

    /// <summary>All heads side by side.</summary>
    AllHeads,
}
