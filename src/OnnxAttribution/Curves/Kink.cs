namespace OnnxAttribution.Curves;

/// <summary>A place where a response curve bends.</summary>
/// <param name="Step">Index of the coefficient at which it has happened: between that before it and this one.
/// A kink of unknown cause lies at the coefficient itself.</param>
/// <param name="Position">Of the downstream feature.</param>
/// <param name="Attention">The switch of <see cref="KinkCause.Attention"/>, else null.</param>
internal sealed record Kink(int Step, int Position, KinkCause Cause, AttentionSwitch? Attention = null);

/// <summary>Why a response curve bends.</summary>
internal enum KinkCause
{
    /// <summary>The downstream feature becomes active, or enters the strongest of a TopK dictionary.</summary>
    SwitchesOn,

    /// <summary>It becomes inactive, or leaves the strongest.</summary>
    SwitchesOff,

    /// <summary>A head looks at another key most.</summary>
    Attention,

    /// <summary>The slope changes, and none of the above is there.</summary>
    Unknown,
}

/// <summary>Between two neighbouring coefficients the key that a head looks at most, from one query position, becomes another.</summary>
/// <param name="Layer">The block.</param>
/// <param name="Query">Position that looks.</param>
/// <param name="FromKey">Position that has the largest weight at the lower coefficient; <paramref name="ToKey"/> at the upper.</param>
/// <param name="FromWeights">Attention of the two keys at the lower coefficient, <paramref name="FromKey"/>'s first;
/// <paramref name="ToWeights"/> at the upper.</param>
internal sealed record AttentionSwitch(int Layer, int Head, int Query, int FromKey, int ToKey, (float From, float To) FromWeights,
    (float From, float To) ToWeights)
{
    /// <summary>How much attention the two keys gained or lost: the larger of both changes.</summary>
    public float Moved => Math.Max(Math.Abs(FromWeights.From - ToWeights.From), Math.Abs(FromWeights.To - ToWeights.To));
}
