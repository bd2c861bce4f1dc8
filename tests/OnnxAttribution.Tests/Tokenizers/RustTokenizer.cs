using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>Hugging Face's own tokenizers, which are written in Rust:
/// the oracle of the tokenizer under test, with which it shares no code.</summary>
/// <remarks>A damaged file would end the process, so it is given only what <see cref="OnnxAttribution.Tokenizers.Tokenizer"/> has read.
/// It always adds what the post-processor adds, which is taken out of the file.</remarks>
internal sealed class RustTokenizer : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly global::Tokenizers.DotNet.Tokenizer _tokenizer;

    /// <param name="json">A tokenizer.json.</param>
    public RustTokenizer(string json)
    {
        var stripped = JsonNode.Parse(json)!.AsObject();
        stripped["post_processor"] = null;
        File.WriteAllText(_directory["tokenizer.json"], stripped.ToJsonString());
        _tokenizer = new(_directory["tokenizer.json"]);
    }

    /// <summary>Whether its library is served for this platform.</summary>
    public static bool IsServed =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is System.Runtime.InteropServices.Architecture.X64;

    /// <param name="text">Without lone surrogates, which it does not take.</param>
    public int[] Encode(string text) => [.. _tokenizer.Encode(text).Select(id => (int)id)];

    public void Dispose() => _directory.Dispose();
}
