namespace OnnxAttribution.Files;

/// <summary>A path where a file is to be read or written names a directory, a pipe, a device, a socket,
/// or what this user may not look at.</summary>
internal sealed class NotAFileException(string path, string problem) : IOException($"{path}: {problem}")
{
    /// <summary>What it is and what to do, without the path.</summary>
    public string Problem { get; } = problem;
}
