using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>A tokenizer's files cannot be used. The message is one line: the path, what is wrong there, and the fix.</summary>
public sealed class TokenizerException : OnnxAttributionException
{
    internal TokenizerException(string path, string problem, Exception? cause = null) : base($"{path}: {problem}", cause) => Path = path;

    /// <summary>The file at fault, below the directory that was given.</summary>
    public string Path { get; }
}
