using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace OnnxAttribution.Tokenizers;

// Byte-pair encoding of one piece, as Sennrich et al. 2016 (arXiv:1508.07909) and Hugging Face's bpe/word.rs do it:
// 1. the piece is the list of its bytes' or characters' tokens;
// 2. of all neighbouring pairs, the one merged earliest in training, of several such the leftmost, is joined;
// 3. until no pair has a merge.

/// <summary>BPE of pieces. Safe for use by several threads; remembers short pieces. Time n log n for a long one.</summary>
internal sealed class BytePairMerges(BytePairVocabulary vocabulary)
{
    /// <summary>Of so many symbols a piece is merged by looking at all pairs again and again, which is quicker than a queue.</summary>
    private const int Few = 24;

    private const int LongestKept = 32, MostKept = 1 << 17;

    private readonly ConcurrentDictionary<string, int[]> _known = new(StringComparer.Ordinal);
    private int _kept;

    /// <param name="piece">As it stands in the text: bytes and spaces are not yet spelled by their signs,
    /// if the vocabulary is byte-level.</param>
    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (vocabulary.CutsAtSpaces)
        {
            for (var i = 1; i < piece.Length; i++)
            {
                if (piece[i] != BytePairVocabulary.SpaceSign || piece[i - 1] == BytePairVocabulary.SpaceSign) continue;
                EncodeWhole(piece[..i], ids);
                piece = piece[i..];
                i = 0;
            }
        }
        EncodeWhole(piece, ids);
    }

    /// <summary>Merges symbols where they stand; the number that is left.</summary>
    public int Merge(Span<int> symbols) => symbols.Length <= Few ? MergeFew(symbols) : MergeMany(symbols);

    internal int MergeFew(Span<int> symbols)
    {
        var count = symbols.Length;
        while (true)
        {
            var (best, at, id) = (int.MaxValue, -1, 0);
            for (var i = 0; i + 1 < count; i++)
            {
                if (vocabulary.Merges.TryGetValue((symbols[i], symbols[i + 1]), out var merge) && merge.Rank < best)
                {
                    (best, at, id) = (merge.Rank, i, merge.Id);
                }
            }
            if (at < 0) return count;
            symbols[at] = id;
            symbols[(at + 2)..count].CopyTo(symbols[(at + 1)..]);
            count--;
        }
    }

    internal int MergeMany(Span<int> symbols)
    {
        var (previous, next) = (new int[symbols.Length], new int[symbols.Length]);
        var queue = new PriorityQueue<(int At, int Id), long>();
        for (var i = 0; i < symbols.Length; i++) (previous[i], next[i]) = (i - 1, i + 1 < symbols.Length ? i + 1 : -1);
        for (var i = 0; i + 1 < symbols.Length; i++) Offer(symbols, i, i + 1);
        while (queue.TryDequeue(out var merge, out _))
        {
            var (left, right) = (merge.At, next[merge.At]);
            // the pair may have been merged with others since it was offered; what was merged away has no next
            if (symbols[left] < 0 || right < 0 || !vocabulary.Merges.TryGetValue((symbols[left], symbols[right]), out var now)
                || now.Id != merge.Id)
            {
                continue;
            }
            (symbols[left], symbols[right]) = (merge.Id, -1);
            next[left] = next[right];
            if (next[left] >= 0)
            {
                previous[next[left]] = left;
                Offer(symbols, left, next[left]);
            }
            if (previous[left] >= 0) Offer(symbols, previous[left], left);
        }
        var count = 0;
        foreach (var symbol in symbols)
        {
            if (symbol >= 0) symbols[count++] = symbol;
        }
        return count;

        void Offer(Span<int> all, int left, int right)
        {
            if (vocabulary.Merges.TryGetValue((all[left], all[right]), out var merge))
            {
                queue.Enqueue((left, merge.Id), ((long)merge.Rank << 32) | (uint)left);
            }
        }
    }

    private void EncodeWhole(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (piece.IsEmpty) return;
        if (piece.Length > LongestKept)
        {
            Compute(piece, ids);
            return;
        }
        if (!_known.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(piece, out var known))
        {
            var found = new List<int>();
            Compute(piece, found);
            known = [.. found];
            if (Volatile.Read(ref _kept) < MostKept && _known.TryAdd(piece.ToString(), known)) Interlocked.Increment(ref _kept);
        }
        ids.AddRange(known);
    }

    private void Compute(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (vocabulary.IgnoresMerges && vocabulary.Ids.TryGetValue(Spelled(piece), out var whole))
        {
            ids.Add(whole);
            return;
        }
        var symbols = CollectionsMarshal.AsSpan(Symbols(piece));
        ids.AddRange(symbols[..Merge(symbols)]);
    }

    private string Spelled(ReadOnlySpan<char> piece) =>
        vocabulary.IsByteLevel ? string.Concat(Encoding.UTF8.GetBytes(piece.ToString()).Select(ByteSymbols.Of)) : piece.ToString();

    private List<int> Symbols(ReadOnlySpan<char> piece)
    {
        var symbols = new List<int>(piece.Length);
        int? unknown = null;   // seen, not yet written: behind bytes too, as Hugging Face has it
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in piece.EnumerateRunes())
        {
            var utf8 = bytes[..rune.EncodeToUtf8(bytes)];
            if (vocabulary.IsByteLevel)
            {
                foreach (var b in utf8) Add(vocabulary.OfByte(b));
            }
            else if (vocabulary.TryGet(rune, out var id))
            {
                Add(id);
            }
            else if (vocabulary.HasByteTokens && HaveTokens(utf8))
            {
                foreach (var b in utf8) symbols.Add(vocabulary.OfByte(b));
            }
            else
            {
                Add(-1);
            }
        }
        if (unknown is { } last) symbols.Add(last);
        return symbols;

        void Add(int id)
        {
            if (id < 0 && vocabulary.Unknown is null) return;
            if (unknown is { } before && (id >= 0 || !vocabulary.FusesUnknown)) symbols.Add(before);
            unknown = id < 0 ? vocabulary.Unknown : null;
            if (id >= 0) symbols.Add(id);
        }
    }

    private bool HaveTokens(ReadOnlySpan<byte> utf8)
    {
        foreach (var b in utf8)
        {
            if (vocabulary.OfByte(b) < 0) return false;
        }
        return true;
    }
}
