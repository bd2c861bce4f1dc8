using System.Runtime.InteropServices;

namespace OnnxAttribution.Cli;

/// <summary>Whether this process may open as many files as the program needs for itself.
/// Nothing here needs an assembly beside the one that is running.</summary>
internal static unsafe partial class DescriptorLimit
{
    /// <summary>With this many, a graph of models/tiny can be made:
    /// .NET, its assemblies and the native libraries hold some hundred.</summary>
    private const ulong Least = 128;

    private const int StandardError = 2, LinuxOpenFiles = 7, MacOpenFiles = 8;

    /// <summary>Says on stderr what is missing, where the limit is too low for anything.</summary>
    public static bool Refuses()
    {
        if (OperatingSystem.IsWindows() || GetLimit(OperatingSystem.IsMacOS() ? MacOpenFiles : LinuxOpenFiles, out var limit) != 0
            || limit.Current >= Least)
        {
            return false;
        }
        Span<byte> digits = stackalloc byte[20];
        limit.Current.TryFormat(digits, out var length);
        Say("onnx-attribution: at most "u8);
        Say(digits[..length]);
        Say(" files may be open at once ('ulimit -n'), and the program alone needs 128; allow more: ulimit -n 4096\n"u8);
        return true;
    }

    private static void Say(ReadOnlySpan<byte> text)
    {
        fixed (byte* start = text) _ = Write(StandardError, start, (nuint)text.Length);
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out Limit limit);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, byte* text, nuint length);

    /// <summary>The C library's struct rlimit.</summary>
    private struct Limit
    {
        public ulong Current;
        public ulong Most;
    }
}
