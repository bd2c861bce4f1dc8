using System.Text;

namespace OnnxAttribution.Checkpoints;

/// <summary>A file of a checkpoint or a dictionary cannot be used. The message is one line: the path, what is wrong there, and the mend.</summary>
public sealed class CheckpointException(string path, string problem, Exception? cause = null) : Exception($"{path}: {problem}", cause)
{
    /// <summary>The file or directory at fault.</summary>
    public string Path { get; } = path;

    /// <summary>A name out of a file, fit for a message: quoted, control characters escaped, cut at 80 characters.</summary>
    internal static string Quote(string name)
    {
        var text = new StringBuilder("'");
        foreach (var c in name.Length > 80 ? name[..80] : name)
            text.Append(char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029' ? $"\\u{(int)c:x4}" : c.ToString());
        return text.Append(name.Length > 80 ? "…'" : "'").ToString();
    }

    /// <summary>A shape as it is written in messages: [2, 3]; -1 is written as *.</summary>
    internal static string ShapeText(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (var i = 0; i < shape.Length; i++)
            text.Append(i == 0 ? "" : ", ").Append(shape[i] < 0 ? "*" : shape[i].ToString());
        return text.Append(']').ToString();
    }
}
