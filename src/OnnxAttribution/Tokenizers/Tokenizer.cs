using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>A model's tokenizer: byte-level BPE or SentencePiece's BPE as Hugging Face's tokenizer.json has them, or GPT-2's vocab.json and
/// merges.txt, with the ids that Hugging Face's tokenizer gives. Safe for use by several threads.</summary>
/// <remarks>Cut and merged here, see <see cref="TokenizerPipeline"/>: of 27,000 difficult texts none has other ids than
/// Hugging Face's own library gives it. Microsoft.ML.Tokenizers is exact for GPT-2 only, and gives other ids to 7 to 81
/// % of texts with vocabularies of SentencePiece.</remarks>
public sealed class Tokenizer
{
    private readonly string _path;
    private readonly TokenizerPipeline _pipeline;
    private readonly byte[]?[] _tokens;   // by id; null: the ids have a gap there
    private readonly Dictionary<string, int> _added;

    // pairs within added tokens; (last, U+0000) of those that take the white space behind them, or behind which a space may be written
    private readonly HashSet<(char Before, char Behind)> _uncut;

    private Tokenizer(string path, TokenizerPipeline pipeline, int? begin, int? end)
    {
        (_path, _pipeline, BeginOfText, EndOfText) = (path, pipeline, begin, end);
        var vocabulary = pipeline.Vocabulary;
        _tokens = new byte[]?[1 + Math.Max(vocabulary.Ids.Values.Max(), pipeline.Added.Select(t => t.Id).DefaultIfEmpty(-1).Max())];
        foreach (var (token, id) in vocabulary.Ids) _tokens[id] = vocabulary.Bytes(token);
        foreach (var token in pipeline.Added) _tokens[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        _uncut = [.. pipeline.Added.SelectMany(t => t.Content.Zip(t.Content.Skip(1))),
            .. pipeline.Added.Where(t => t.StripsRight || !vocabulary.IsByteLevel).Select(t => (t.Content[^1], '\0'))];
        if (!vocabulary.IsByteLevel) _uncut.Add((BytePairVocabulary.SpaceSign, '\0'));
        _added = pipeline.Added.GroupBy(t => t.Content).ToDictionary(g => g.Key, g => g.First().Id);
    }

    /// <summary>Number of ids, 0 to Count − 1; a model's own vocabulary may be padded beyond.</summary>
    public int Count => _tokens.Length;

    /// <summary>The id of the token that begins a text (BOS): GPT-2's and Pythia's <c>&lt;|endoftext|&gt;</c>, Llama's <c>&lt;s&gt;</c> or
    /// <c>&lt;|begin_of_text|&gt;</c>; where a tokenizer has none, as Qwen2's,
    /// the one that ends a text, as TransformerLens does. null: it has neither.</summary>
    public int? BeginOfText { get; }

    /// <summary>The id of the token that ends a text (EOS); null: it has none.</summary>
    public int? EndOfText { get; }

    /// <summary>Opens the tokenizer of a checkpoint or bundle.</summary>
    /// <param name="directory">Holds tokenizer.json, or vocab.json and merges.txt.</param>
    /// <exception cref="TokenizerException">A file is missing, broken or of a kind that is not known.</exception>
    public static Tokenizer Open(string directory)
    {
        var path = Path.Combine(directory, "tokenizer.json");
        if (TokenizerFile.ReadJson(path) is not { } document) return OpenGpt2(directory);
        using (document)
        {
            var (pipeline, begins) = TokenizerJson.Read(path, document.RootElement);
            pipeline = pipeline.With(AddedTokenFiles.With(directory, pipeline.Vocabulary, pipeline.Added));
            var (begin, end) = SpecialTokens.Read(directory, pipeline, begins);
            return new(path, pipeline, begin, end);
        }
    }

    /// <summary>The token ids of a text, without BOS; none for an empty text.
    /// An added token in the text, as <c>&lt;|endoftext|&gt;</c>, is that token. A lone surrogate is encoded as U+FFFD.</summary>
    /// <param name="text">Any text; white space and line ends count.</param>
    public int[] Encode(string text) => Encode(text, continues: false);

    /// <summary>The text of a list of token ids. Bytes that are no UTF-8, as tokens cut in the middle of a character leave them, become
    /// U+FFFD.
    /// The space that SentencePiece's tokenizers write before the first word is part of its token, and stays.</summary>
    /// <param name="ids">Token ids [T].</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var bytes = new List<byte>();
        foreach (var id in ids) bytes.AddRange(Bytes(id) ?? throw Missing(id));
        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>The bytes that a token stands for: UTF-8, a part of a character where the token is cut in the middle of one.</summary>
    /// <param name="id">Token id, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public byte[] TokenBytes(int id) => [.. Bytes(id) ?? throw Missing(id)];

    /// <summary>A token for display: its text, a space as a space; bytes that are not a whole character of UTF-8 as <c>\xE2\x80</c>.
    /// An id that only the model has, whose vocabulary is padded, as <c>[50300]</c>.</summary>
    /// <param name="id">Token id, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative.</exception>
    public string TokenText(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        if (Bytes(id) is not { } bytes) return $"[{id}]";
        var text = new StringBuilder();
        for (ReadOnlySpan<byte> rest = bytes; rest.Length > 0;)
        {
            var whole = Rune.DecodeFromUtf8(rest, out var rune, out var length) == System.Buffers.OperationStatus.Done;
            foreach (var value in rest[..length]) text.Append(whole ? "" : $@"\x{value:X2}");
            text.Append(whole ? rune.ToString() : "");
            rest = rest[length..];
        }
        return text.ToString();
    }

    /// <summary>Whether what <see cref="TokenText"/> wrote for a token is its text, and not bytes that are no whole character, or an id.
    /// </summary>
    /// <param name="shown">What it wrote.</param>
    /// <param name="id">Token id; null: not known.</param>
    internal static bool IsText(string shown, int? id)
    {
        for (var i = shown.IndexOf(@"\x", StringComparison.Ordinal); i >= 0; i = shown.IndexOf(@"\x", i + 1, StringComparison.Ordinal))
        {
            if (i + 3 < shown.Length && char.IsAsciiHexDigitUpper(shown[i + 2]) && char.IsAsciiHexDigitUpper(shown[i + 3])) return false;
        }
        return shown != $"[{id}]";
    }

    /// <summary>The token whose text is exactly this (a leading space counts), if there is one.</summary>
    /// <param name="text">The text of a whole token.</param>
    /// <param name="id">Its token id; undefined where there is none.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryGetId(string text, out int id)
    {
        var vocabulary = _pipeline.Vocabulary;
        return _added.TryGetValue(text, out id)
            || vocabulary.Ids.TryGetValue(vocabulary.IsByteLevel
                ? string.Concat(Encoding.UTF8.GetBytes(text).Select(ByteSymbols.Of))
                : text.Replace(' ', BytePairVocabulary.SpaceSign), out id);
    }

    /// <summary>The ids of a text.</summary>
    /// <param name="continues">It goes on with another: no space is written before its first word,
    /// as SentencePiece's tokenizers do at the beginning.</param>
    internal int[] Encode(string text, bool continues)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        _pipeline.Encode(text, continues, ids);
        return [.. ids];
    }

    /// <summary>Whether a text may be cut between two of its characters, so that its tokens are those of the two parts.</summary>
    /// <remarks>No pattern of the families known here matches over a place where a space follows what is no
    /// white space, or where a line ends behind a letter or digit; vocabularies that are merged without a
    /// pattern, as SentencePiece's, and added tokens are asked.</remarks>
    internal bool MayCut(char before, char behind) =>
        !_uncut.Contains((before, behind)) && !_uncut.Contains((before, '\0')) && behind switch
        {
            ' ' => !char.IsWhiteSpace(before) && !char.IsControl(before)
                && (_pipeline.Vocabulary.IsByteLevel || _pipeline.Vocabulary.CutsAtSpaces),
            '\n' => _pipeline.Vocabulary.IsByteLevel
                ? char.IsLetterOrDigit(before)
                : !char.IsWhiteSpace(before) && _pipeline.Vocabulary.CutsAtLines,
            _ => false,
        };

    /// <summary><see cref="BeginOfText"/>, where one is needed.</summary>
    /// <exception cref="TokenizerException">There is none.</exception>
    internal int RequireBeginOfText() => BeginOfText
        ?? throw new TokenizerException(_path,
            "names no token that begins a text (bos_token, or eos_token in its place); begin prompts without one.")
        {
            Settings = [Setting.PrependBos]
        };

    private static Tokenizer OpenGpt2(string directory)
    {
        var path = Path.Combine(directory, "vocab.json");
        var vocabulary = Gpt2Vocabulary.Read(path, Path.Combine(directory, "merges.txt"));
        Gpt2Vocabulary.RequireGpt2(Path.Combine(directory, "tokenizer_config.json"));
        var end = Gpt2Vocabulary.End(vocabulary);
        var pattern = PiecePattern.Of(PiecePattern.Gpt2);
        var pipeline = new TokenizerPipeline(vocabulary, AddedTokenFiles.With(directory, vocabulary, [end]), [],
            [(piece, _, into) => pattern.Cut(piece, PieceCut.Isolated, false, into)]);
        var (begins, ends) = SpecialTokens.ReadGpt2(directory, pipeline, end.Id);
        return new(path, pipeline, begins, ends);
    }

    private byte[]? Bytes(int id) => (uint)id < (uint)Count ? _tokens[id] : null;

    private ArgumentOutOfRangeException Missing(int id) =>
        new(nameof(id), $"There is no token {id}: the vocabulary has the ids 0 to {Count - 1}.");
}
