namespace OnnxAttribution.Curves;

/// <summary>Between two neighbouring coefficients the key that a head looks at most, from one query position, becomes another.</summary>
/// <param name="Layer">The block.</param>
/// <param name="Query">Position that looks.</param>
/// <param name="FromKey">Position that has the largest weight at the lower coefficient; <paramref name="ToKey"/> at the upper.</param>
/// <param name="FromWeights">Attention of the two keys at the lower coefficient, <paramref name="FromKey"/>'s first;
/// <paramref name="ToWeights"/> at the upper.</param>
public sealed record AttentionSwitch(int Layer, int Head, int Query, int FromKey, int ToKey, (float From, float To) FromWeights,
    (float From, float To) ToWeights)
{
    /// <summary>How much attention the two keys gained or lost: the larger of both changes.</summary>
    public float Moved => Math.Max(Math.Abs(FromWeights.From - ToWeights.From), Math.Abs(FromWeights.To - ToWeights.To));
}
