using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>A tokenizer's files cannot be used. The message is one line: the path, what is wrong there, and the fix.</summary>
public sealed class TokenizerException(string path, string problem, Exception? cause = null)
    : OnnxAttributionException($"{path}: {problem}", cause)
{
    /// <summary>The file at fault.</summary>
    public string Path { get; } = path;
}
