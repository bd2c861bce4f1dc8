using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Preflight;

/// <summary>The beginning of a text as sequences of tokens, each of one document.
/// Without a file it is a text that the program brings along.</summary>
/// <remarks>That text: the first pages of Frances Hodgson Burnett's The Secret Garden (1911,
/// in the public domain) and of PEP 236 by Tim Peters (placed in the public domain), by turns.</remarks>
internal sealed class CheckText
{
    private const string Resource = "check-text.txt", Separator = "<|endoftext|>";

    private CheckText(string name, IReadOnlyList<int[]> sequences) => (Name, Sequences) = (name, sequences);

    /// <summary>The file's name, or what stands for it.</summary>
    public string Name { get; }

    /// <summary>Without BOS.</summary>
    public IReadOnlyList<int[]> Sequences { get; }

    public long Tokens => Sequences.Sum(s => (long)s.Length);

    /// <param name="path">UTF-8, plain or gzip, documents separated by lines that hold
    /// <c>&lt;|endoftext|&gt;</c>; null: the program's own.</param>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="limit">Tokens in all.</param>
    /// <exception cref="TextException">The file cannot be read or holds no text.</exception>
    /// <exception cref="CheckException">The text does not fill one sequence.</exception>
    public static CheckText Read(LoadedModel model, string? path, int length, long limit)
    {
        var text = path is null
            ? new CheckText("the program's own text", [.. Own(model, length, limit)])
            : OfFile(model, new TextFile(path), length, limit);
        if (text.Tokens < Math.Min(length, limit))
        {
            throw new CheckException($"{text.Name} has {text.Tokens} tokens, which do not fill one context of {length}; "
                + "give a longer text, or a smaller context")
            { Settings = [Setting.Text, Setting.Context] };
        }
        return text;
    }

    private static CheckText OfFile(LoadedModel model, TextFile file, int length, long limit)
    {
        using var reader = new TextFileReader(file);
        var sequences = new TokenSequences(new TextChunks(reader, model.Tokenizer), model.Tokenizer, length, limit, model.VocabularySize);
        var all = new List<int[]>();
        while (sequences.Next() is { } tokens) all.Add(tokens);
        return all.Count == 0 ? throw file.Empty() : new CheckText(file.Name, all);
    }

    private static IEnumerable<int[]> Own(LoadedModel model, int length, long limit)
    {
        using var stream = typeof(CheckText).Assembly.GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        foreach (var document in reader.ReadToEnd().Split($"\n{Separator}\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var tokens = model.Tokenizer.Encode(document);
            if (tokens.FirstOrDefault(t => t >= model.VocabularySize, -1) is var wrong and >= 0)
            {
                throw new CheckException($"the text has token {wrong}, the model's vocabulary ends at {model.VocabularySize - 1}; "
                    + "the bundle's tokenizer is another model's");
            }
            for (var start = 0; start < tokens.Length && limit > 0; start += length)
            {
                var count = (int)Math.Min(Math.Min(length, tokens.Length - start), limit);
                limit -= count;
                yield return tokens[start..(start + count)];
            }
        }
    }
}
