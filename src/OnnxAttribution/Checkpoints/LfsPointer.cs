using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints;

/// <summary>What Git leaves in place of a large file where git-lfs did not fetch it:
/// a text of some 130 bytes that names the file's hash and size.</summary>
/// <remarks>Source: the pointer's specification, git-lfs.github.com/spec/v1.</remarks>
internal static partial class LfsPointer
{
    /// <summary>A pointer is no longer, and this much of a file tells.</summary>
    public const int MostBytes = 1024;

    private static ReadOnlySpan<byte> FirstLine => "version https://git-lfs.github.com/spec/v1"u8;

    /// <summary>What is wrong and what to do, as the end of a message that begins with the path; null where the file is none.</summary>
    /// <param name="beginning">The first bytes of the file, <see cref="MostBytes"/> if it has so many.</param>
    public static string? Problem(ReadOnlySpan<byte> beginning)
    {
        if (!beginning.StartsWith(FirstLine)) return null;
        var size = Size.Match(Encoding.Latin1.GetString(beginning[..Math.Min(beginning.Length, MostBytes)]));
        var bytes = size.Success && long.TryParse(size.Groups["bytes"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            ? $" of {n.ToString("N0", CultureInfo.InvariantCulture)} bytes"
            : "";
        return $"is a Git LFS pointer, not the file{bytes} that it stands for; "
            + "run 'git lfs pull' in its folder, or download the file itself.";
    }

    /// <summary>Reads the beginning of an open file and leaves it where it was.</summary>
    /// <exception cref="CheckpointException">It is a pointer.</exception>
    public static void Refuse(string path, Stream file)
    {
        Span<byte> beginning = stackalloc byte[MostBytes];
        var at = file.Position;
        var read = file.ReadAtLeast(beginning, MostBytes, throwOnEndOfStream: false);
        file.Position = at;
        if (Problem(beginning[..read]) is { } problem) throw new CheckpointException(path, problem);
    }

    [GeneratedRegex(@"^size (?<bytes>\d{1,18})\s*$", RegexOptions.Multiline)]
    private static partial Regex Size { get; }
}
