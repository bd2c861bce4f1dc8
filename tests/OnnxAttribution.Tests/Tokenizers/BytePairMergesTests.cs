using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class BytePairMergesTests
{
    /// <summary>Merges of random neighbours over three letters, in random order:
    /// also ones whose result merges earlier than they do.</summary>
    private static (BytePairVocabulary Vocabulary, Random Random) RandomVocabulary(int seed)
    {
        var random = new Random(seed);
        var ids = new Dictionary<string, int> { ["a"] = 0, ["b"] = 1, ["c"] = 2 };
        var pairs = new List<(string Left, string Right)>();
        for (var i = 0; i < 30; i++)
        {
            var (left, right) = (ids.Keys.ElementAt(random.Next(ids.Count)), ids.Keys.ElementAt(random.Next(ids.Count)));
            if (left.Length + right.Length > 9 || pairs.Contains((left, right))) continue;
            ids.TryAdd(left + right, ids.Count);
            pairs.Add((left, right));
        }
        var ranks = Enumerable.Range(0, pairs.Count).ToArray();
        random.Shuffle(ranks);
        var merges = pairs.Select((pair, i) => (Key: (ids[pair.Left], ids[pair.Right]), Value: (ranks[i], ids[pair.Left + pair.Right])))
            .ToDictionary(m => m.Key, m => m.Value);
        return (new BytePairVocabulary(ids, isByteLevel: false, hasByteTokens: false) { Merges = merges }, random);
    }

    [Fact]
    public void The_queue_merges_as_looking_at_all_pairs_again_does()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var (vocabulary, random) = RandomVocabulary(seed);
            var merges = new BytePairMerges(vocabulary);
            var few = Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(3)).ToArray();
            var many = few.ToArray();
            Assert.Equal(few[..merges.MergeFew(few)], many[..merges.MergeMany(many)]);
        }
    }

    [Fact]
    public void A_long_piece_has_the_tokens_of_its_merges_whatever_was_asked_before()
    {
        var (vocabulary, random) = RandomVocabulary(7);
        var merges = new BytePairMerges(vocabulary);
        var text = string.Concat(Enumerable.Range(0, 200_000).Select(_ => "abc"[random.Next(3)]));
        var (first, again) = (new List<int>(), new List<int>());
        merges.Encode(text, first);
        merges.Encode(text, again);
        Assert.Equal(first, again);
        var names = vocabulary.Ids.ToDictionary(t => t.Value, t => t.Key);
        Assert.Equal(text, string.Concat(first.Select(id => names[id])));
        Assert.DoesNotContain(first.Zip(first.Skip(1)), vocabulary.Merges.ContainsKey);
    }

    [Fact]
    public void Merges_that_lead_over_a_space_forbid_cutting_there()
    {
        Assert.True(BytePairVocabulary.StaysWithinWords(["▁the", "▁▁", "▁▁a", "ab"]));
        Assert.False(BytePairVocabulary.StaysWithinWords(["of▁the"]));
        Assert.False(BytePairVocabulary.StaysWithinWords(["a▁"]));
    }
}
