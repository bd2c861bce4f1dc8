namespace OnnxAttribution.Lenses;

/// <summary>One block at one position, along a direction û: what the stream held, and what was written to it. After = Before + Attn + Mlp.
/// </summary>
/// <param name="Layer">The block, from 0.</param>
/// <param name="Position">Token position from 0, BOS counted.</param>
/// <param name="Before">x·û of the stream before the block, in activation units, as all of these.</param>
/// <param name="Attn">attn_out·û, in activation units.</param>
/// <param name="Mlp">mlp_out·û, in activation units.</param>
/// <param name="After">x·û of the stream behind it, read off the stream, in activation units.</param>
public sealed record TraceStep(int Layer, int Position, double Before, double Attn, double Mlp, double After);

/// <summary>What of an attention's part along a direction one head wrote.</summary>
/// <param name="Layer">The block, from 0.</param>
/// <param name="Head">The head there; null: b_O.</param>
/// <param name="Position">Token position from 0, BOS counted.</param>
/// <param name="Value">z_h W_O[h]·û, in activation units; the values of an attention add up to its <see cref="TraceStep.Attn"/>.</param>
public sealed record TraceHead(int Layer, int? Head, int Position, double Value);

/// <summary>A feature whose decoder row points along a direction.</summary>
/// <param name="Site">Hook name.</param>
/// <param name="Feature">Its column in the dictionary there.</param>
/// <param name="Cosine">Of the decoder row, less its mean where the stream's is not read, with the direction; no unit.</param>
/// <param name="Activations">[T]: at each position, 0 where it is not active.</param>
public sealed record TraceFeature(string Site, int Feature, double Cosine, IReadOnlyList<float> Activations);

/// <summary>Where a direction of the residual stream is written in, and where it is scrubbed out, in one prompt.</summary>
/// <param name="Tokens">Token ids, [T], BOS included.</param>
/// <param name="Along">What the direction is of, such as <c>5:10603</c>.</param>
/// <param name="Direction">û, [d], of unit length.</param>
public sealed record StreamTrace(IReadOnlyList<int> Tokens, string Along, IReadOnlyList<float> Direction)
{
    /// <summary>The mean was taken out of the direction, since the model's norms take the stream's out.</summary>
    public required bool IsCentred { get; init; }

    /// <summary>By layer, then position.</summary>
    public required IReadOnlyList<TraceStep> Steps { get; init; }

    /// <summary>By layer, position and head, b_O last; empty where it was not asked for.</summary>
    public required IReadOnlyList<TraceHead> Heads { get; init; }

    /// <summary>By falling cosine.</summary>
    public required IReadOnlyList<TraceFeature> Features { get; init; }

    /// <summary>The largest |Before + Attn + Mlp − After|, which rounding alone makes; at least 0, in activation units.</summary>
    public double Miss => Steps.Max(s => Math.Abs(s.Before + s.Attn + s.Mlp - s.After));
}

/// <summary>Which direction is traced, and what is told of it.</summary>
public sealed record StreamTraceOptions
{
    private readonly double _cosine = 0.7;

    /// <summary>A feature such as <c>5:10603</c>, whose decoder row is the direction; <c>target</c> or <c>foil</c>: what that token's logit
    /// less the mean over the vocabulary reads of the final stream; or <c>metric</c>, what the metric reads.</summary>
    public required string Along { get; init; }

    /// <summary>Whether attention is split by heads.</summary>
    public bool Heads { get; init; }

    /// <summary>The least cosine of a feature that is told beside the direction, from 0 to 1, no unit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not from 0 to 1.</exception>
    public double Cosine
    {
        get => _cosine;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 1);
            _cosine = value;
        }
    }
}
