namespace OnnxAttribution.Files;

/// <summary>Why a file cannot be read or written, and what to do, in our words:
/// a reason, a semicolon and the fix, without a full stop.</summary>
internal static class FileFault
{
    private const int InputOutput = 5, Busy = 11, NoMemory = 12, AllOpenFiles = 23, OwnOpenFiles = 24, NoRoom = 28, ReadOnly = 30,
        MacBusy = 35, LinuxQuota = 122, MacQuota = 69;
    private const int WindowsSharing = 32, WindowsLock = 33, WindowsFull = 112, WindowsHandles = 4, WindowsMask = 0xFFFF;

    /// <summary>What to do where memory is short, whoever says so.</summary>
    public const string MemoryFix = "free memory, or allow more address space ('ulimit -v unlimited')";

    /// <summary>What to do where no more files can be opened.</summary>
    public const string DescriptorFix = "allow more open files ('ulimit -n 4096')";

    /// <summary>Of a path that this user may not read, or not even look at.</summary>
    public const string Denied = "permission is denied; check its permissions and those of the directories above it";

    /// <param name="why">What .NET threw on the way to the file.</param>
    /// <param name="otherwise">What to do where the reason is one that only the caller has a fix for.</param>
    public static string Words(Exception why, string? otherwise = null) => why switch
    {
        AggregateException { InnerExceptions: [var first, ..] } => Words(first, otherwise),
        NotAFileException e => e.Problem,
        FileNotFoundException or FileLoadException when IsLibrary(why) =>
            $"the program cannot load a part of itself; {DescriptorFix}, {MemoryFix}, or install it again",
        FileNotFoundException or DirectoryNotFoundException => "it is not there; check the path",
        EndOfStreamException => "it became shorter while it was read; do it again when nobody writes it",
        PathTooLongException => "its path is longer than the system allows; give it a shorter one",
        UnauthorizedAccessException { InnerException: IOException { HResult: ReadOnly } } => OfCode(ReadOnly)!,
        UnauthorizedAccessException => Denied,
        OutOfMemoryException => OfCode(NoMemory)!,
        IOException when OfCode(Code(why)) is { } words => words,
        _ when why.Message.Contains("No space left on device", StringComparison.Ordinal) => OfCode(NoRoom)!,   // DuckDB's
        _ when otherwise is not null => $"{Plain(why.Message)}; {otherwise}",
        _ => Plain(why.Message),
    };

    /// <summary>Whether what .NET did not find is an assembly: with no file descriptor left, that is how it tells.</summary>
    public static bool IsLibrary(Exception e) => (e switch
    {
        FileNotFoundException f => f.FileName,
        FileLoadException f => f.FileName,
        _ => null,
    })?.Contains(", Version=", StringComparison.Ordinal) == true;

    /// <summary>The name in a message of .NET's, the first in quotes; null where there is none.</summary>
    public static string? PathIn(Exception e) => e.Message.Split('\'') is [_, { Length: > 0 } name, _, ..] ? name : null;

    private static string? OfCode(int code) => code switch
    {
        InputOutput => "the disk reports an error in reading or writing it; check the disk, or take a copy from elsewhere",
        Busy or MacBusy => "another program holds it; wait for that, or name another",
        NoMemory => $"the system cannot allocate the memory for it; {MemoryFix}",
        AllOpenFiles or OwnOpenFiles => $"too many files are open; {DescriptorFix}",
        NoRoom => "the disk is full; make room, or choose a place elsewhere",
        LinuxQuota or MacQuota => "the disk quota is used up; make room, or choose a place elsewhere",
        ReadOnly => "the file system is read-only; choose a place elsewhere",
        _ => null,
    };

    private static int Code(Exception e) => !OperatingSystem.IsWindows() ? e.HResult : (e.HResult & WindowsMask) switch
    {
        WindowsSharing or WindowsLock => Busy,
        WindowsFull => NoRoom,
        WindowsHandles => OwnOpenFiles,
        _ => 0,
    };

    // .NET adds the path to the system's words
    private static string Plain(string message)
    {
        var line = message.ReplaceLineEndings(" ").Trim().TrimEnd('.');
        return line.EndsWith('\'') && line.IndexOf(" : '", StringComparison.Ordinal) is var at and > 0 ? line[..at] : line;
    }
}
