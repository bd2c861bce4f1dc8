using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Files;

/// <summary>The steps that make a file or directory appear, each in one system call:
/// whoever is killed between two of them leaves what was there before the second.</summary>
/// <remarks>Each is announced to <see cref="DiagnosticListener"/> before it is done,
/// so that a test can look at the disk as a kill would leave it.</remarks>
internal static partial class FileStep
{
    public const string Listener = "OnnxAttribution.Files";

    private const int CurrentDirectory = -100, LinuxExchange = 2;
    private const uint MacSwap = 2;

    private static readonly DiagnosticListener s_steps = new(Listener);

    /// <summary>Gives a file its name; what had the name before is gone. A link of that name is replaced, not followed.</summary>
    public static void Rename(string from, string to)
    {
        Announce(to);
        File.Move(from, to, overwrite: true);
    }

    /// <summary>Gives a directory a name that nothing has.</summary>
    public static void RenameDirectory(string from, string to)
    {
        Announce(to);
        Directory.Move(from, to);
    }

    /// <summary>Removes a file, or a link itself. What is not there is no fault.</summary>
    public static void Remove(string file)
    {
        Announce(file);
        File.Delete(file);
    }

    /// <summary>Lets two directories change places at once.</summary>
    /// <returns>Whether the system and the file system can do that; where they cannot, nothing has changed.</returns>
    public static bool TryExchange(string one, string other)
    {
        Announce(other);
        try
        {
            return OperatingSystem.IsLinux() ? RenameAt2(CurrentDirectory, one, CurrentDirectory, other, LinuxExchange) == 0
                : OperatingSystem.IsMacOS() && RenameX(one, other, MacSwap) == 0;
        }
        catch (EntryPointNotFoundException)   // a C library older than the call
        {
            return false;
        }
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "A path has no properties that a listener reads by name.")]
    private static void Announce(string place)
    {
        if (s_steps.IsEnabled()) s_steps.Write("step", place);
    }

    [LibraryImport("libc", EntryPoint = "renameat2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oneDirectory, string one, int otherDirectory, string other, uint flags);

    [LibraryImport("libc", EntryPoint = "renamex_np", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameX(string one, string other, uint flags);
}
