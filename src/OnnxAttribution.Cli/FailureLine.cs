using System.Diagnostics;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli;

/// <summary>The one line that an exception becomes.</summary>
internal static class FailureLine
{
    /// <param name="verb">What was being done, such as <c>graph</c>.</param>
    public static string Of(Exception e, string verb) => e switch
    {
        PromptException { IsTable: true } => e.Message,
        _ when IsOurs(e) => OneLine(e.Message),
        OutOfMemoryException or InsufficientExecutionStackException => $"{verb} needs more memory than there is (or than 'ulimit -v' allows); give it a smaller model, fewer sites or a shorter text, or raise the limit",
        IOException or UnauthorizedAccessException => $"{verb} was refused by the system: {OneLine(e.Message).TrimEnd('.')}; {Mend(e)}",
        DllNotFoundException or BadImageFormatException => $"{verb} cannot load a library that belongs beside the program ({OneLine(e.Message).TrimEnd('.')}); install the program again, or, if the library is there, see that there are memory and file descriptors enough ('ulimit -v', 'ulimit -n')",
        _ => $"{verb} stopped by a fault of the program, not of your files ({e.GetType().Name}: {OneLine(e.Message).TrimEnd('.')}); run it again with --verbose and report what it prints",
    };

    public static string OneLine(string message) => string.Join(' ', message.Split((char[])['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>Whether the message was written here, for who reads it: in an exception of ours, or in one of .NET's for what callers gave that our code threw.</summary>
    private static bool IsOurs(Exception e) => e is OperationCanceledException || IsOurs(e.GetType())
        || (e is FormatException or ArgumentException or NotSupportedException && new StackTrace(e).GetFrame(0)?.GetMethod()?.DeclaringType is { } thrower && IsOurs(thrower));

    private static bool IsOurs(Type type) => type.Namespace?.StartsWith(nameof(OnnxAttribution), StringComparison.Ordinal) == true;

    private static string Mend(Exception e) => (e.HResult & 0xFFFF, e.Message) switch
    {
        (23 or 24, _) or (_, ['T', 'o', 'o', ' ', 'm', 'a', 'n', 'y', ..]) => "allow more open files ('ulimit -n 1024') or end programs that hold many",
        (28, _) => "make room on the disk, or name a directory elsewhere",
        (12, _) => "free memory, or raise 'ulimit -v'",
        _ => "check that the path is right, is a file, and its permissions",
    };
}
