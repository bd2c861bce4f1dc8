using System.IO.Compression;
using OnnxAttribution.Tests.Tokenizers;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Texts;

public sealed class TextChunksTests(Gpt2TokenizerFixture fixture) : IClassFixture<Gpt2TokenizerFixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private List<string> Documents(string text, int size, out List<string> pieces)
    {
        File.WriteAllText(_directory["t.txt"], text);
        using var reader = new TextFileReader(new TextFile(_directory["t.txt"]));
        var chunks = new TextChunks(reader, fixture.Tokenizer, size);
        var (documents, current) = (new List<string>(), "");
        pieces = [];
        while (chunks.Next() is { } chunk)
        {
            pieces.Add(chunk.Text);
            current += chunk.Text;
            if (!chunk.EndsDocument) continue;
            documents.Add(current);
            current = "";
        }
        Assert.Equal("", current);
        return documents;
    }

    [Theory]
    [InlineData("one", new[] { "one" })]
    [InlineData("one\n<|endoftext|>\ntwo\n<|endoftext|>\n", new[] { "one", "two" })]
    [InlineData("one\r\n<|endoftext|>\r\ntwo\r\n<|endoftext|>", new[] { "one", "two" })]
    [InlineData("<|endoftext|>\none", new[] { "", "one" })]
    [InlineData("a\n\n<|endoftext|>\n\nb\n", new[] { "a\n", "\nb\n" })]
    [InlineData("a <|endoftext|>\n<|endoftext|> b\n<|endoftext|>c", new[] { "a <|endoftext|>\n<|endoftext|> b\n<|endoftext|>c" })]
    public void Documents_are_parted_by_lines_that_hold_nothing_but_the_separator(string text, string[] documents)
    {
        foreach (var size in (int[])[1, 64, 1000]) Assert.Equal(documents, Documents(text, size, out _));
    }

    [Fact]
    public void A_text_in_pieces_has_the_tokens_of_the_whole()
    {
        var random = new Random(5);
        string[] words = ["don't", " it's", "  ", "\n", "\n\n", " \n ", "I'll", " 1234", "naïve", " –", "...", " (", "🦆", "\t", "\u00a0",
            "\u0085", "a,b", " The", "\r\n", "'s", "x"];
        var text = string.Concat(Enumerable.Range(0, 20_000).Select(_ => words[random.Next(words.Length)]));
        var expected = fixture.Tokenizer.Encode(text);
        foreach (var size in (int[])[100, 5000])
        {
            Assert.Equal([text], Documents(text, size, out var pieces));
            Assert.True(pieces.Count > text.Length / size / 2);
            Assert.Equal(expected, pieces.SelectMany(p => fixture.Tokenizer.Encode(p)));
        }
    }

    [Fact]
    public void Sequences_do_not_depend_on_the_pieces_and_go_on_from_any_place()
    {
        var text = string.Join("\n<|endoftext|>\n",
            Enumerable.Range(0, 30).Select(i => string.Join(' ', Enumerable.Range(i, i * i).Select(n => $"word{n}"))));
        File.WriteAllText(_directory["t.txt"], text);
        List<int[]> All(int size, Func<int, bool>? moves = null)
        {
            var (result, place) = (new List<int[]>(), Array.Empty<long>());
            var reader = new TextFileReader(new TextFile(_directory["t.txt"]));
            TokenSequences Made() => new(new TextChunks(reader, fixture.Tokenizer, size), fixture.Tokenizer, 50, 12_345, 50257);
            var sequences = Made();
            while (sequences.Next() is { } sequence)
            {
                result.Add(sequence);
                if (moves?.Invoke(result.Count) != true) continue;
                place = sequences.Save();
                reader.Dispose();
                reader = new TextFileReader(new TextFile(_directory["t.txt"]));
                sequences = Made();
                sequences.GoTo(place);
            }
            Assert.Equal(12_345, sequences.Tokens);
            Assert.Equal(result.Count, sequences.Count);
            reader.Dispose();
            return result;
        }
        var expected = All(1 << 16);
        Assert.Equal(12_345, expected.Sum(s => s.Length));
        Assert.Equal(expected, All(100));
        Assert.Equal(expected, All(100, _ => true));
        Assert.Equal(expected, All(1 << 16, i => i % 7 == 0));
    }

    [Theory, InlineData("llama2"), InlineData("mistral"), InlineData("gemma"), InlineData("pythia"), InlineData("llama3"),
        InlineData("qwen2"), InlineData("smollm")]
    public void A_text_in_pieces_has_the_tokens_of_the_whole_by_any_tokenizer(string family)
    {
        using var small = new SmallTokenizers();
        var tokenizer = small[family];
        // no separator, and nothing that a text file may not hold
        var text = "x "
            + string.Join(" word", SmallTokenizers.Texts(family)
                .Where(t => !t.Contains("</s>") && !t.Contains("<eos>") && !t.Contains("<|") && !t.Contains('\0')));
        File.WriteAllText(_directory["t.txt"], text);
        using var reader = new TextFileReader(new TextFile(_directory["t.txt"]));
        var chunks = new TextChunks(reader, tokenizer, 100);
        var (sequences, tokens) = (new TokenSequences(chunks, tokenizer, 50, long.MaxValue, tokenizer.Count), new List<int>());
        while (sequences.Next() is { } sequence) tokens.AddRange(sequence);
        Assert.Equal(tokenizer.Encode(text), tokens);
        Assert.True(chunks.Count > 5, $"{chunks.Count} pieces");
        Assert.Equal(1, sequences.Documents);
    }

    [Fact]
    public void What_is_no_text_is_told_with_the_file()
    {
        void Refused(byte[] bytes, string words)
        {
            File.WriteAllBytes(_directory["t.bin"], bytes);
            var e = Assert.Throws<TextException>(() =>
            {
                using var reader = new TextFileReader(new TextFile(_directory["t.bin"]));
                for (var chunks = new TextChunks(reader, fixture.Tokenizer); chunks.Next() is not null;) { }
            });
            Assert.Contains(words, e.Message);
            Assert.Contains(_directory["t.bin"], e.Message);
        }
        Refused([], "holds no text");
        Refused([0x66, 0xff, 0xfe, 0x66], "no text in UTF-8");
        Refused([0x66, 0, 0x66], "NUL");
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            for (var i = 0; i < 10_000; i++) gzip.Write(System.Text.Encoding.UTF8.GetBytes($"line {i * 7919 % 10007}\n"));
        }
        Refused(packed.ToArray()[..(int)(packed.Length / 2)], "is damaged");
        Refused([.. packed.ToArray()[..500], .. new byte[500]], "is damaged");
        Assert.Contains("there is no file", Assert.Throws<TextException>(() => new TextFile(_directory["none"])).Message);
        Assert.Contains("is a directory", Assert.Throws<TextException>(() => new TextFile(_directory.Path)).Message);
    }
}
