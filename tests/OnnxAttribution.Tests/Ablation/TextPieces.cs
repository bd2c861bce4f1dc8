namespace OnnxAttribution.Tests.Ablation;

/// <summary>A document's tokens as pieces that fit the context, cut as plainly as it can be done.</summary>
internal static class TextPieces
{
    public static IEnumerable<int[]> Of(int[] tokens, int contextLength, int? bos)
    {
        var most = contextLength - (bos is null ? 0 : 1);
        for (var first = 0; first < tokens.Length; first += most)
        {
            var piece = tokens[first..Math.Min(tokens.Length, first + most)];
            yield return bos is { } b ? [b, .. piece] : piece;
        }
    }
}
