namespace OnnxAttribution.Attribution;

/// <summary>A part of one side of a score: a feature, what the dictionary missed, or the bias.</summary>
/// <param name="Feature">Row of W_dec, from 0; <see cref="CausalNode.Error"/>; null: the bias, which is b_dec, the norm's bias and b_Q or
/// b_K together.</param>
/// <param name="Activation">f in the clean run, in activation units of the dictionary; ‖ε‖ of the error, in those of the site; NaN of the
/// bias.</param>
public readonly record struct ScorePart(int? Feature, float Activation);

/// <summary>The attention score of one head from a query position to a key position, q·k times what the model scales it by (1/√d_head in
/// most), split into pairs of what the dictionary sees at both. Soft cap and mask lie outside of it.</summary>
/// <param name="Head">The head.</param>
/// <param name="Query">Token position from 0, BOS counted.</param>
/// <param name="Key">Token position, not after <paramref name="Query"/>.</param>
/// <param name="Score">The score, no unit: what softmax takes the exponential of, below a soft cap.</param>
/// <param name="Pattern">The attention that it leads to, from 0 to 1, no unit.</param>
/// <param name="QueryParts">[Q], features ascending, then the error, then the bias.</param>
/// <param name="KeyParts">[K], likewise.</param>
/// <param name="Pairs">[Q, K] row by row, in the score's unit. Norm scales are held, so that the pairs add up to the score.</param>
public sealed record HeadScore(HeadName Head, int Query, int Key, float Score, float Pattern, IReadOnlyList<ScorePart> QueryParts,
    IReadOnlyList<ScorePart> KeyParts, IReadOnlyList<float> Pairs)
{
    /// <summary>A pair's share of the score, no unit.</summary>
    /// <param name="query">Index in <see cref="QueryParts"/>.</param>
    /// <param name="key">Index in <see cref="KeyParts"/>.</param>
    public float Of(int query, int key) => Pairs[(query * KeyParts.Count) + key];
}
