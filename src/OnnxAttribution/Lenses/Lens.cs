using OnnxAttribution.Attribution;

namespace OnnxAttribution.Lenses;

/// <summary>By which scale the final norm divides a stream that is read half-way.</summary>
public enum LensScale
{
    /// <summary>That of the final stream at the same position, held: readings and summands then add up.</summary>
    Final,

    /// <summary>The stream's own, as if the model ended there (nostalgebraist 2020).</summary>
    Own,
}

/// <summary>What a lens shows.</summary>
public sealed record LensOptions
{
    private readonly int _top = 5;

    /// <summary>Of readings; summands are always by the final scale.</summary>
    public LensScale Scale { get; init; }

    /// <summary>How many tokens are told of each reading, at least 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 0.</exception>
    public int Top
    {
        get => _top;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _top = value;
        }
    }

    /// <summary>Whether each attention output is split by heads.</summary>
    public bool Heads { get; init; }

    /// <summary>Whether each selected site that has a dictionary is split by features.</summary>
    public bool Features { get; init; }

    /// <summary>Whether the stream is read at every position; else at the metric's alone.</summary>
    internal bool EveryPosition { get; init; } = true;
}

/// <summary>A token that a reading makes likely.</summary>
/// <param name="Token">Token id.</param>
/// <param name="Logit">Its logit, below a soft cap where the model has one.</param>
/// <param name="Probability">From 0 to 1, by softmax of the reading's logits, behind the soft cap.</param>
public readonly record struct LensToken(int Token, float Logit, float Probability);

/// <summary>The residual stream at one place, read as if it were the last.</summary>
/// <param name="Site">Hook name, such as <c>blocks.3.hook_resid_mid</c>.</param>
/// <param name="Depth">How many blocks were passed: l before block l, l + 0.5 between its attention and its MLP, all of them at the
/// end.</param>
/// <param name="Position">Token position from 0, BOS counted; of a mean over prompts null: each prompt's own.</param>
/// <param name="Value">The metric's value there, in logits, the final norm's bias included.</param>
/// <param name="Tokens">The likeliest, the likeliest first; of a mean none.</param>
public sealed record LensReading(string Site, double Depth, int? Position, double Value, IReadOnlyList<LensToken> Tokens);

/// <summary>What adds to the final residual stream.</summary>
public enum SummandKind
{
    /// <summary>The tokens' embedding.</summary>
    Embed,

    /// <summary>The embedding of positions, where they are learned.</summary>
    PosEmbed,

    /// <summary>What an attention adds.</summary>
    Attn,

    /// <summary>What an MLP adds.</summary>
    Mlp,

    /// <summary>The final norm's bias, and the unembedding's: what the logits are of a stream of zeros.</summary>
    NormBias,

    /// <summary>Of an attention: one head, z_h W_O[h].</summary>
    Head,

    /// <summary>Of an attention: b_O.</summary>
    HeadBias,

    /// <summary>Of a site: a feature's decoder row times its activation.</summary>
    Feature,

    /// <summary>Of a site: what its dictionary missed.</summary>
    Error,

    /// <summary>Of a site: its dictionary's b_dec.</summary>
    DictionaryBias,
}

/// <summary>Direct logit attribution: what one summand of the final stream adds to the metric, by the final norm's scale.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its own: <c>embed</c>, <c>3.attn</c>, head <c>3.2</c>, feature <c>2:428</c>, <c>2:error</c>.</param>
/// <param name="Value">In logits.</param>
public sealed record LensSummand(SummandKind Kind, string Name, double Value)
{
    /// <summary>Hook name of the tensor that it is a part of: the parts of a tensor add up to what that tensor adds, or to the reading of
    /// a residual site without the bias. Null of a whole summand: these add up to the metric.</summary>
    public string? Of { get; init; }

    /// <summary>The block; null where it is of none.</summary>
    public int? Layer { get; init; }

    /// <summary>The head there.</summary>
    public int? Head { get; init; }

    /// <summary>The feature; −1: the error.</summary>
    public int? Feature { get; init; }

    /// <summary>The feature's activation, or the error's norm, in activation units; else NaN.</summary>
    public float Activation { get; init; } = float.NaN;
}

/// <summary>One prompt through the lens: readings of the residual stream and summands of its end.</summary>
/// <param name="Tokens">Token ids, [T], BOS included.</param>
/// <param name="Metric">What is read, at the summands' position.</param>
public sealed record Lens(IReadOnlyList<int> Tokens, Metric Metric)
{
    /// <summary>The metric's value in the model, in logits, below a soft cap: logit[target] − logit[foil], or logit[target] less the mean
    /// logit over the vocabulary.</summary>
    public required double Value { get; init; }

    /// <summary>The model has a soft cap of its logits, which everything here lies below.</summary>
    public required bool IsBelowSoftCap { get; init; }

    /// <summary>In the order of computation, each at its positions.</summary>
    public required IReadOnlyList<LensReading> Readings { get; init; }

    /// <summary>Whole ones in the order of computation, then parts.</summary>
    public required IReadOnlyList<LensSummand> Summands { get; init; }

    /// <summary>Why there are no summands; null where there are.</summary>
    public string? WithoutSummands { get; init; }

    /// <summary>The model's likeliest next tokens at the metric's position, behind the soft cap.</summary>
    public required IReadOnlyList<LensToken> Next { get; init; }

    /// <summary>Σ of the whole summands, in logits; NaN without any.</summary>
    public double Sum => Summands.Count == 0 ? double.NaN : Summands.Where(s => s.Of is null).Sum(s => s.Value);

    /// <summary>How far <see cref="Sum"/> is from <see cref="Value"/>, which rounding alone makes: in logits, at least 0.</summary>
    public double Miss => Math.Abs(Sum - Value);
}
