using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Runtime;

/// <summary>Byte-level BPE by GPT-2's pattern: the GPT2Tokenizer operator of ONNX Runtime Extensions, with the ids that Hugging Face's
/// tokenizer gives. Safe for use by several threads. Owns its session; who opens an operator disposes it.</summary>
/// <remarks>Compared on 44,559 assigned code points, the operator that npm's com.github.asus4.onnxruntime-extensions 0.4.9 brings
/// disagrees with Hugging Face about two characters, and they are kept from it:
/// U+0000, behind which it drops the rest of the text, is given as another control character and put back;
/// U+0085, which is white space but not to the operator, is encoded here together with the white space around it.
/// It knows no other pattern than GPT-2's, and knows <c>&lt;|endoftext|&gt;</c> whether it is a token or not: added tokens are cut out before.</remarks>
internal sealed class Gpt2Operator : IDisposable
{
    private const char NextLine = '\u0085';

    private static readonly Lock s_registration = new();

    private readonly BytePairVocabulary _vocabulary;
    private readonly BytePairMerges _merges;
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    private readonly char _standIn; // given to the operator for U+0000

    private Gpt2Operator(BytePairVocabulary vocabulary, InferenceSession session)
    {
        (_vocabulary, _session, _merges) = (vocabulary, session, new(vocabulary));
        _standIn = FindStandIn(vocabulary);
    }

    /// <summary>Whether the operator can have such a vocabulary: one token for each byte, ids without a gap, its special token, and a control
    /// character that merges with nothing as U+0000 does not.</summary>
    public static bool Takes(BytePairVocabulary vocabulary) =>
        vocabulary.IsByteLevel && !vocabulary.IgnoresMerges && vocabulary.Merges.Count > 0 && vocabulary.Ids.ContainsKey(Gpt2Vocabulary.EndOfTextToken)
        && vocabulary.Ids.Values.Max() == vocabulary.Ids.Count - 1 && Enumerable.Range(0, 256).All(b => vocabulary.OfByte((byte)b) >= 0)
        && FindStandIn(vocabulary) != '\0';

    /// <param name="path">For messages.</param>
    /// <param name="vocabulary">One that the operator <see cref="Takes"/>.</param>
    /// <exception cref="TokenizerException">The native library is missing, or the operator refuses the vocabulary.</exception>
    public static Gpt2Operator Open(string path, BytePairVocabulary vocabulary)
    {
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
                return new(vocabulary, new InferenceSession(Model(vocabulary).ToByteArray(), options));
            }
        }
        catch (OnnxRuntimeException e)
        {
            throw new TokenizerException(path, $"is refused by the tokenizer operator ({TokenizerFile.OneLine(e)}).", e);
        }
    }

    /// <summary>The ids of a text without added tokens. Time grows with the square of the longest run of letters: 16,000 random letters
    /// without a space take a second, 220,000 characters of prose a hundredth of that; such runs are not given to it.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> ids)
    {
        while (text.IndexOf(NextLine) is var next and >= 0)
        {
            var (start, end) = WhiteSpaceAround(text, next);
            EncodeNatively(text[..start], ids);
            text = text[EncodeWhiteSpace(text, start, end, ids)..];
        }
        EncodeNatively(text, ids);
    }

    public void Dispose()
    {
        _session.Dispose();
        _run.Dispose();
    }

    private void EncodeNatively(ReadOnlySpan<char> text, List<int> ids)
    {
        if (text.IsEmpty)
            return;
        var hasNul = text.Contains('\0');
        var given = hasNul ? text.ToString().Replace('\0', _standIn) : null;
        using var input = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, [1]);
        input.StringTensorSetElementAt(Utf8(given ?? text), 0);
        using var outputs = _session.Run(_run, ["text"], [input], ["input_ids"]);
        var first = ids.Count;
        foreach (var id in outputs[0].GetTensorDataAsSpan<long>()) // [1, T]
            ids.Add((int)id);
        if (hasNul)
            PutBackNul(text, CollectionsMarshal.AsSpan(ids)[first..]);
    }

    /// <summary>Neither U+0000 nor its stand-in merges with anything, so each of them in the text is one stand-in's id, in order.</summary>
    private void PutBackNul(ReadOnlySpan<char> text, Span<int> ids)
    {
        var (standIn, nul) = (_vocabulary.OfByte((byte)_standIn), _vocabulary.OfByte(0));
        foreach (ref var id in ids)
        {
            if (id != standIn)
                continue;
            var at = text.IndexOfAny('\0', _standIn);
            id = text[at] == '\0' ? nul : standIn;
            text = text[(at + 1)..];
        }
    }

    /// <summary>Encodes a run of white space as GPT-2's pattern cuts it: <c>\s+(?!\S)|\s+</c> leaves the last one to what follows.</summary>
    /// <returns>The end of what was encoded: a last space belongs to the following piece.</returns>
    private int EncodeWhiteSpace(ReadOnlySpan<char> text, int start, int end, List<int> ids)
    {
        var last = end == text.Length ? end : end - 1;
        _merges.Encode(text[start..last], ids);
        if (last == end || text[last] == ' ')
            return last;
        _merges.Encode(text.Slice(last, 1), ids);
        return end;
    }

    private static (int Start, int End) WhiteSpaceAround(ReadOnlySpan<char> text, int at)
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

    private static char FindStandIn(BytePairVocabulary vocabulary)
    {
        var merged = vocabulary.Ids.Keys.Where(token => token.Length > 1).SelectMany(token => token).ToHashSet();
        if (!merged.Contains(ByteSymbols.Of(0)))
            for (var control = '\u0001'; control <= '\u0008'; control++) // as U+0000, neither letter nor number nor white space
                if (!merged.Contains(ByteSymbols.Of((byte)control)))
                    return control;
        return '\0';
    }

    private static ModelProto Model(BytePairVocabulary vocabulary)
    {
        static AttributeProto Text(string name, byte[] value) =>
            new() { Name = name, Type = AttributeProto.Types.AttributeType.String, S = UnsafeByteOperations.UnsafeWrap(value) };
        static ValueInfoProto Tensor(string name, int elementType) =>
            new() { Name = name, Type = new() { TensorType = new() { ElemType = elementType } } };
        const int Int64 = 7, String = 8; // TensorProto.DataType
        const string Domain = "ai.onnx.contrib";
        var tokens = vocabulary.Ids.ToDictionary(t => t.Value, t => t.Key);
        var merges = new StringBuilder("#version: 0.2\n");
        foreach (var ((left, right), _) in vocabulary.Merges.OrderBy(m => m.Value.Rank)) merges.Append(tokens[left]).Append(' ').Append(tokens[right]).Append('\n');
        var node = new NodeProto { OpType = "GPT2Tokenizer", Domain = Domain, Input = { "text" }, Output = { "input_ids", "attention_mask" } };
        node.Attribute.Add([Text("vocab", System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(vocabulary.Ids)), Text("merges", Encoding.UTF8.GetBytes(merges.ToString()))]);
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
