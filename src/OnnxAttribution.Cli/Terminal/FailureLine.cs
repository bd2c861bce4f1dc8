using System.Diagnostics;
using System.Text.RegularExpressions;
using OnnxAttribution.Files;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Terminal;

/// <summary>The one line that an exception becomes: its message, and which options it is about.</summary>
internal static partial class FailureLine
{
    /// <param name="verb">What was being done, such as <c>graph</c>.</param>
    /// <param name="options">Those that the verb has: no other is named. null: all that any verb has.</param>
    public static string Of(Exception e, string verb, IReadOnlySet<string>? options = null) => e switch
    {
        PromptException { IsTable: true } => e.Message,
        _ when IsOurs(e) => With(OneLine(e.Message), About(e, options)),
        OutOfMemoryException or InsufficientExecutionStackException => $"{verb} needs more memory than there is (or than 'ulimit -v' "
            + "allows); give it a smaller model, fewer sites or a shorter text, or raise the limit",
        IOException or UnauthorizedAccessException => $"{verb} was refused by the system: "
            + $"{(FileFault.PathIn(e) is { } path ? $"{OneLine(path)}: " : "")}{OneLine(FileFault.Words(e, "check the path"))}",
        DllNotFoundException or BadImageFormatException => $"{verb} cannot load "
            + $"{(FileFault.PathIn(e) is { } library ? $"the library '{OneLine(library)}'" : "a library")}: {LoaderWords(e.Message)}",
        _ => $"{verb} stopped by a fault of the program, not of your files ({e.GetType().Name}: {OneLine(e.Message).TrimEnd('.')}); "
            + "run it again with --verbose and report what it prints",
    };

    /// <summary>What .NET's own wrappers carry: of threads that ran side by side, of a type's first use, of a thread that could not
    /// be started.</summary>
    public static Exception CauseOf(Exception e) => e switch
    {
        AggregateException { InnerExceptions: { Count: > 0 } all } when all.All(o => o.GetType() == all[0].GetType()) => CauseOf(all[0]),
        TypeInitializationException { InnerException: { } inner } => CauseOf(inner),
        TaskSchedulerException { InnerException: { } inner } => CauseOf(inner),
        _ => e,
    };

    public static string OneLine(string message) =>
        string.Join(' ', message.Split((char[])['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>The option for a setting that the library's messages are about: <c>--prepend-bos</c>.</summary>
    internal static string OptionOf(Setting setting) => $"--{Capitals().Replace(setting.ToString(), "-$0").ToLowerInvariant()}";

    /// <summary>What failed for one of many prompts, as its message has it, with the options or the command that it is about.</summary>
    /// <param name="options">The options that may be named: those of the verb that say the same for every prompt.</param>
    public static string OfOne(Exception e, IReadOnlySet<string> options) => With(e.Message, About(e, options));

    /// <summary>A sentence of the library's with the option that it is about: <c>… (--sites).</c></summary>
    public static string WithOption(string message, Setting? setting) => With(message, setting is { } s ? OptionOf(s) : null);

    // the options or the command that a message is about; an exception that tells another one's message is about the same
    private static string? About(Exception e, IReadOnlySet<string>? options) => e switch
    {
        OnnxAttributionException { Next: { } step } => $"'{StepCommand.Of(step)}'",
        OnnxAttributionException { Settings: { Count: > 0 } settings } =>
            Listed([.. settings.Select(OptionOf).Where(option => options?.Contains(option) != false)]),
        _ => e.InnerException is { } inner ? About(inner, options) : null,
    };

    private static string? Listed(string[] options) => options switch
    {
        [] => null,
        [var only] => only,
        _ => $"{string.Join(", ", options[..^1])} or {options[^1]}",
    };

    private static string With(string message, string? about) => about is null ? message
        : message.EndsWith('.') ? $"{message[..^1]} ({about})."
        : $"{message} ({about})";

    [GeneratedRegex("(?<!^)[A-Z]")]
    private static partial Regex Capitals();

    /// <summary>Whether the message was written here, for who reads it:
    /// in an exception of ours, or in one of .NET's for what callers gave that our code threw.</summary>
    private static bool IsOurs(Exception e) => e is OperationCanceledException || IsOurs(e.GetType().FullName)
        || (e is FormatException or ArgumentException or NotSupportedException && IsOurs(Thrower(e)));

    private static bool IsOurs(string? type) => type?.StartsWith(nameof(OnnxAttribution) + ".", StringComparison.Ordinal) == true;

    // not through MethodBase, of which a program compiled ahead of time knows nothing
    private static string? Thrower(Exception e) =>
        new StackTrace(e).GetFrame(0) is { } frame ? DiagnosticMethodInfo.Create(frame)?.DeclaringTypeName : null;

    // the system's loader says why in words only, among those for every place where it looked
    private static string LoaderWords(string message) =>
        message.Contains("Too many open files", StringComparison.Ordinal) ? $"too many files are open; {FileFault.DescriptorFix}"
        : message.Contains("Cannot allocate memory", StringComparison.Ordinal) || message.Contains("failed to map segment",
            StringComparison.Ordinal) ? $"there is no memory for it; {FileFault.MemoryFix}"
        : "it is missing beside the program, or damaged; install the program again";
}
