using System.Text;
using System.Text.Json;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>Token ids against Hugging Face's own tokenizers:
/// on Linux with its library on every text, elsewhere with the ids of some that were kept.</summary>
public sealed class TokenizerOracleTests(SmallTokenizers small, Gpt2TokenizerFixture gpt2)
    : IClassFixture<SmallTokenizers>, IClassFixture<Gpt2TokenizerFixture>
{
    private const int Texts = 3000, EveryOf = 125;

    private const string Gpt2 = "gpt2", KeptFile = "kept-ids.json";

    public static TheoryData<string> Vocabularies => [Gpt2, .. SmallTokenizers.Names];

    [Theory, MemberData(nameof(Vocabularies))]
    public void Ids_are_those_of_Hugging_Face(string name)
    {
        var (tokenizer, texts, kept) = (Ours(name), TextsOf(name), Kept()[name]);
        Assert.Equal(Texts, texts.Count);
        Assert.Equal(Texts / EveryOf, kept.Length);
        AssertAlike(tokenizer, texts.Where((_, i) => i % EveryOf == 0).Zip(kept));
        if (!RustTokenizer.IsServed) return;
        using var oracle = new RustTokenizer(JsonOf(name));
        AssertAlike(tokenizer, texts.Select(text => (text, oracle.Encode(text))));
        Assert.True(texts.Sum(text => tokenizer.Encode(text).Length) > 5 * Texts);
    }

    [Fact]
    public void The_kept_ids_are_those_of_Hugging_Face_today()
    {
        if (!RustTokenizer.IsServed)
        {
            Assert.Equal(Vocabularies.Select(v => v.Data).Order(StringComparer.Ordinal), Kept().Keys.Order(StringComparer.Ordinal));
            return;
        }
        var found = new StringBuilder("{\n");
        foreach (var name in Vocabularies.Select(v => v.Data))
        {
            using var oracle = new RustTokenizer(JsonOf(name));
            var rows = TextsOf(name).Where((_, i) => i % EveryOf == 0).Select(text => $"[{string.Join(',', oracle.Encode(text))}]");
            found.Append(found.Length > 2 ? ",\n" : "").Append($"\"{name}\": [\n{string.Join(",\n", rows)}]");
        }
        var path = Path.Combine(AppContext.BaseDirectory, KeptFile);
        File.WriteAllText(path, found.Append("\n}\n").ToString());
        Assert.True(File.ReadAllText(path) == File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Tokenizers", KeptFile)),
            $"The kept ids are others. If the texts changed and that is meant: cp '{path}' tests/OnnxAttribution.Tests/Runtime/{KeptFile}");
    }

    private static void AssertAlike(Tokenizer tokenizer, IEnumerable<(string Text, int[] Ids)> expected) => Assert.Empty(expected
        .Select(e => (e.Text, Ours: tokenizer.Encode(e.Text), Theirs: e.Ids)).Where(t => !t.Ours.SequenceEqual(t.Theirs))
        .Select(t => $"{JsonSerializer.Serialize(t.Text)}: {string.Join(' ', t.Ours)}, not {string.Join(' ', t.Theirs)}").Take(20));

    private Tokenizer Ours(string name) => name == Gpt2 ? gpt2.Tokenizer : small[name];

    private static IReadOnlyList<string> TextsOf(string name) =>
        name == Gpt2 ? DifficultTexts.Of([Gpt2Vocabulary.EndOfTextToken], Texts) : SmallTokenizers.Texts(name, Texts);

    private static string JsonOf(string name) =>
        name == Gpt2 ? Gpt2TokenizerJson.Of(Path.GetDirectoryName(Gpt2TokenizerFixture.VocabPath)!) : SmallTokenizers.Json(name);

    private static Dictionary<string, int[][]> Kept() =>
        JsonSerializer.Deserialize<Dictionary<string, int[][]>>(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Tokenizers", KeptFile)))!;
}
