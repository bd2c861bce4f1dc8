using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>A file of a checkpoint or a dictionary cannot be used.
/// The message is one line: the path, what is wrong there, and the fix.</summary>
public sealed class CheckpointException : OnnxAttributionException
{
    internal CheckpointException(string path, string problem, Exception? cause = null) : base($"{path}: {problem}", cause) => Path = path;

    /// <summary>The file or directory at fault, as it was given.</summary>
    public string Path { get; }

    /// <summary>That a file is not there; of a link, as the hub's cache and git-annex have them, that what it leads to is not.</summary>
    internal static CheckpointException Missing(string path, Exception cause) => new(path, new FileInfo(path).LinkTarget is { } target
        ? $"is a link to {target}, which is not there; download it again, or fetch it with what made the link (git annex get)."
        : "there is no such file; check the path.", cause);

    /// <summary>A shape as it is written in messages: [2, 3]; -1 is written as *.</summary>
    internal static string ShapeText(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (var i = 0; i < shape.Length; i++) text.Append(i == 0 ? "" : ", ").Append(shape[i] < 0 ? "*" : shape[i].ToString());
        return text.Append(']').ToString();
    }
}
