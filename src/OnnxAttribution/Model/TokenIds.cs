namespace OnnxAttribution.Model;

/// <summary>Token ids of sequences side by side, as the model's graph takes them.</summary>
internal static class TokenIds
{
    /// <summary>int64 [sequences, length], padded with 0 on the right, which a causal model does not see.</summary>
    /// <param name="length">At least the longest sequence's.</param>
    public static long[] Padded(IReadOnlyList<int[]> sequences, int length)
    {
        var ids = new long[sequences.Count * length];
        for (var s = 0; s < sequences.Count; s++)
        {
            for (var t = 0; t < sequences[s].Length; t++) ids[(s * length) + t] = sequences[s][t];
        }
        return ids;
    }
}
