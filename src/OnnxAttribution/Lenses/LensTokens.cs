using System.Numerics.Tensors;

namespace OnnxAttribution.Lenses;

/// <summary>The likeliest tokens of logits.</summary>
internal static class LensTokens
{
    /// <param name="below">Logits below a soft cap, which does not change their order.</param>
    /// <param name="logits">The same behind it, from which probabilities are.</param>
    public static IReadOnlyList<LensToken> Top(ReadOnlySpan<float> below, ReadOnlySpan<float> logits, int count)
    {
        if (count == 0) return [];
        var max = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (var v in logits) sum += Math.Exp(v - (double)max);
        var (rest, tokens) = (below.ToArray(), new List<LensToken>());
        for (var i = 0; i < Math.Min(count, below.Length); i++)
        {
            var best = TensorPrimitives.IndexOfMax<float>(rest);
            tokens.Add(new LensToken(best, below[best], (float)(Math.Exp(logits[best] - (double)max) / sum)));
            rest[best] = float.NegativeInfinity;
        }
        return tokens;
    }
}
