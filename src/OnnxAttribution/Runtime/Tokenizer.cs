using System.Text;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Runtime;

/// <summary>GPT-2's byte-level BPE, by the GPT2Tokenizer operator of ONNX Runtime Extensions, with the ids that Hugging Face's tokenizer gives.
/// Safe for use by several threads. Owns its session; who opens a tokenizer disposes it.</summary>
/// <remarks>Compared on 44,559 assigned code points, the operator that npm's com.github.asus4.onnxruntime-extensions 0.4.9 brings
/// disagrees with Hugging Face about two characters, and they are kept from it:
/// U+0000, behind which it drops the rest of the text, is given as another control character and put back;
/// U+0085, which is white space but not to the operator, is encoded here together with the white space around it.</remarks>
public sealed class Tokenizer : IDisposable
{
    private const char NextLine = '\u0085';

    private static readonly Lock s_registration = new();

    private readonly string _path;
    private readonly Gpt2Vocabulary _vocabulary;
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    private readonly char _standIn; // given to the operator for U+0000; itself U+0000 if the vocabulary has none that could

    private Tokenizer(string path, Gpt2Vocabulary vocabulary, InferenceSession session)
    {
        (_path, _vocabulary, _session) = (path, vocabulary, session);
        _standIn = FindStandIn(vocabulary);
    }

    /// <summary>Number of tokens; ids are 0 to Count − 1.</summary>
    public int Count => _vocabulary.Tokens.Length;

    /// <summary>The id of the token that begins a text (BOS); null: the model has none.</summary>
    public int? BeginOfText => EndOfText;

    /// <summary>The id of the token that ends a text (EOS); null: the model has none.</summary>
    public int? EndOfText => _vocabulary.Ids[Gpt2Vocabulary.EndOfTextToken];

    /// <summary>Opens the tokenizer of a checkpoint or bundle.</summary>
    /// <param name="directory">Holds vocab.json and merges.txt.</param>
    /// <exception cref="TokenizerException">A file is missing, broken or no byte-level BPE, or the native library is missing.</exception>
    public static Tokenizer Open(string directory) => Open(Path.Combine(directory, "vocab.json"), Path.Combine(directory, "merges.txt"));

    /// <summary>Opens a vocabulary as Hugging Face saves it (OpenAI's encoder.json and vocab.bpe are the same files).</summary>
    /// <exception cref="TokenizerException">A file is missing, broken or no byte-level BPE, or the native library is missing.</exception>
    internal static Tokenizer Open(string vocabPath, string mergesPath)
    {
        var vocabulary = Gpt2Vocabulary.Read(vocabPath, mergesPath);
        var library = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "ortextensions.dll"
            : OperatingSystem.IsMacOS() ? "libortextensions.dylib" : "libortextensions.so");
        if (!File.Exists(library))
            throw new TokenizerException(library, "there is no such library beside the program; build again with 'make build'.");
        try
        {
            using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
            // the runtime looks whether it knows the operators' domain and then adds it: two threads at once both add it, and one fails
            lock (s_registration)
            {
                options.RegisterCustomOpLibrary(library);
                return new Tokenizer(vocabPath, vocabulary, new InferenceSession(Model(vocabulary).ToByteArray(), options));
            }
        }
        catch (OnnxRuntimeException e)
        {
            throw new TokenizerException(vocabPath, $"is refused by the tokenizer operator ({e.Message.ReplaceLineEndings(" ")}).", e);
        }
    }

    /// <summary>The ids of a text, without BOS; none for an empty text. <c>&lt;|endoftext|&gt;</c> in the text is the special token.
    /// A lone surrogate is encoded as U+FFFD; every other text comes back from <see cref="Decode"/> unchanged. Time grows with the
    /// square of the longest run of letters: 16,000 random letters without a space take a second, 220,000 characters of prose a hundredth of that.</summary>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        var done = 0;
        for (var next = text.IndexOf(NextLine); next >= 0; next = next < text.Length ? text.IndexOf(NextLine, next) : -1)
        {
            var (start, end) = WhiteSpaceAround(text, next);
            EncodeNatively(text.AsSpan(done, start - done), ids);
            done = EncodeWhiteSpace(text, start, end, ids);
            next = end;
        }
        EncodeNatively(text.AsSpan(done), ids);
        return [.. ids];
    }

    /// <summary>The text of a list of ids. Bytes that are no UTF-8, as tokens cut in the middle of a character leave them, become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var bytes = new List<byte>();
        foreach (var id in ids)
            bytes.AddRange(Bytes(id));
        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>The bytes that a token stands for.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public byte[] TokenBytes(int id) => [.. Bytes(id)];

    /// <summary>A token for display: its text, a space as a space; bytes that are not a whole character of UTF-8 as <c>\xE2\x80</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string TokenText(int id)
    {
        var text = new StringBuilder();
        for (ReadOnlySpan<byte> rest = Bytes(id); rest.Length > 0;)
        {
            var whole = Rune.DecodeFromUtf8(rest, out var rune, out var length) == System.Buffers.OperationStatus.Done;
            foreach (var value in rest[..length])
                text.Append(whole ? "" : $@"\x{value:X2}");
            text.Append(whole ? rune.ToString() : "");
            rest = rest[length..];
        }
        return text.ToString();
    }

    /// <summary>The token whose text is exactly this (a leading space counts), if there is one.</summary>
    public bool TryGetId(string text, out int id) =>
        _vocabulary.Ids.TryGetValue(string.Concat(Encoding.UTF8.GetBytes(text).Select(ByteSymbols.Of)), out id);

    /// <summary><see cref="BeginOfText"/>, where one is needed.</summary>
    /// <exception cref="TokenizerException">There is none.</exception>
    internal int RequireBeginOfText() => BeginOfText
        ?? throw new TokenizerException(_path, "names no token that begins a text (bos_token, or eos_token in its place); run with --prepend-bos false.");

    public void Dispose()
    {
        _session.Dispose();
        _run.Dispose();
    }

    private byte[] Bytes(int id) => (uint)id < (uint)Count ? _vocabulary.Tokens[id]
        : throw new ArgumentOutOfRangeException(nameof(id), $"There is no token {id}: the vocabulary has the ids 0 to {Count - 1}.");

    private void EncodeNatively(ReadOnlySpan<char> text, List<int> ids)
    {
        if (text.IsEmpty)
            return;
        var hasNul = text.Contains('\0');
        if (hasNul && _standIn == '\0')
            throw new NotSupportedException("This vocabulary merges the byte 0x00 with others, and the text holds U+0000; take it out of the text.");
        var given = hasNul ? text.ToString().Replace('\0', _standIn) : null;
        using var input = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, [1]);
        input.StringTensorSetElementAt(Utf8(given ?? text), 0);
        using var outputs = _session.Run(_run, ["text"], [input], ["input_ids"]);
        var first = ids.Count;
        foreach (var id in outputs[0].GetTensorDataAsSpan<long>()) // [1, T]
            ids.Add((int)id);
        if (hasNul)
            PutBackNul(text, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids)[first..]);
    }

    /// <summary>Neither U+0000 nor its stand-in merges with anything, so each of them in the text is one stand-in's id, in order.</summary>
    private void PutBackNul(ReadOnlySpan<char> text, Span<int> ids)
    {
        var (standIn, nul) = (IdOf(_standIn), IdOf('\0'));
        foreach (ref var id in ids)
        {
            if (id != standIn)
                continue;
            var at = text.IndexOfAny('\0', _standIn);
            id = text[at] == '\0' ? nul : standIn;
            text = text[(at + 1)..];
        }
    }

    private int IdOf(char control) => _vocabulary.Ids[ByteSymbols.Of((byte)control).ToString()];

    /// <summary>Encodes a run of white space as GPT-2's pattern cuts it: <c>\s+(?!\S)|\s+</c> leaves the last one to what follows.</summary>
    /// <returns>The end of what was encoded: a last space belongs to the following piece.</returns>
    private int EncodeWhiteSpace(string text, int start, int end, List<int> ids)
    {
        var last = end == text.Length || text.AsSpan(end).StartsWith(Gpt2Vocabulary.EndOfTextToken, StringComparison.Ordinal) ? end : end - 1;
        ids.AddRange(BytePairMerges.Encode(Utf8(text.AsSpan(start, last - start)), _vocabulary));
        if (last == end || text[last] == ' ')
            return last;
        ids.AddRange(BytePairMerges.Encode(Utf8(text.AsSpan(last, 1)), _vocabulary));
        return end;
    }

    private static (int Start, int End) WhiteSpaceAround(string text, int at)
    {
        var (start, end) = (at, at + 1);
        while (start > 0 && char.IsWhiteSpace(text[start - 1]))
            start--;
        while (end < text.Length && char.IsWhiteSpace(text[end]))
            end++;
        return (start, end);
    }

    private static byte[] Utf8(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }

    private static char FindStandIn(Gpt2Vocabulary vocabulary)
    {
        var merged = vocabulary.Ids.Keys.Where(token => token.Length > 1).SelectMany(token => token).ToHashSet();
        if (!merged.Contains(ByteSymbols.Of(0)))
            for (var control = '\u0001'; control <= '\u0008'; control++) // as U+0000, neither letter nor number nor white space
                if (!merged.Contains(ByteSymbols.Of((byte)control)))
                    return control;
        return '\0';
    }

    private static ModelProto Model(Gpt2Vocabulary vocabulary)
    {
        static AttributeProto Text(string name, byte[] value) =>
            new() { Name = name, Type = AttributeProto.Types.AttributeType.String, S = UnsafeByteOperations.UnsafeWrap(value) };
        static ValueInfoProto Tensor(string name, int elementType) =>
            new() { Name = name, Type = new() { TensorType = new() { ElemType = elementType } } };
        const int Int64 = 7, String = 8; // TensorProto.DataType
        const string Domain = "ai.onnx.contrib";
        var node = new NodeProto { OpType = "GPT2Tokenizer", Domain = Domain, Input = { "text" }, Output = { "input_ids", "attention_mask" } };
        node.Attribute.Add([Text("vocab", vocabulary.VocabJson), Text("merges", vocabulary.MergesText)]);
        var graph = new GraphProto { Name = "tokenizer", Node = { node }, Input = { Tensor("text", String) } };
        graph.Output.Add([Tensor("input_ids", Int64), Tensor("attention_mask", Int64)]);
        return new()
        {
            IrVersion = 8,
            Graph = graph,
            OpsetImport = { new OperatorSetIdProto { Version = 17 }, new OperatorSetIdProto { Domain = Domain, Version = 1 } },
        };
    }
}
