namespace OnnxAttribution.Runtime;

// Byte-pair encoding of one piece, as Sennrich et al. 2016 (arXiv:1508.07909) and GPT-2's encoder.py do it:
// 1. the piece is the list of its bytes' symbols;
// 2. of all neighbouring pairs, the one merged earliest in training is joined, everywhere, from the left;
// 3. until no pair has a merge.

/// <summary>BPE of a piece that the native operator would cut elsewhere, see <see cref="Tokenizer"/>. Quadratic: for short pieces.</summary>
internal static class BytePairMerges
{
    public static IEnumerable<int> Encode(ReadOnlySpan<byte> piece, Gpt2Vocabulary vocabulary)
    {
        var symbols = new List<string>(piece.Length);
        foreach (var value in piece)
            symbols.Add(ByteSymbols.Of(value).ToString());
        while (Best(symbols, vocabulary) is var (left, right))
            for (var i = 0; i < symbols.Count - 1; i++)
                if (symbols[i] == left && symbols[i + 1] == right)
                {
                    symbols[i] = left + right;
                    symbols.RemoveAt(i + 1);
                }
        return symbols.Select(symbol => vocabulary.Ids[symbol]);
    }

    private static (string Left, string Right)? Best(List<string> symbols, Gpt2Vocabulary vocabulary)
    {
        (string, string)? best = null;
        var bestRank = int.MaxValue;
        for (var i = 0; i < symbols.Count - 1; i++)
            if (vocabulary.Ranks.TryGetValue((symbols[i], symbols[i + 1]), out var rank) && rank < bestRank)
                (best, bestRank) = ((symbols[i], symbols[i + 1]), rank);
        return best;
    }
}
