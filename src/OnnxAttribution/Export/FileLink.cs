using System.Runtime.InteropServices;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>A second name for a file, so that a bundle holds weights without copying them.</summary>
internal static partial class FileLink
{
    /// <summary>A hard link, or a copy where the file system allows none (another disk).
    /// Made aside and renamed: where both names turn out to be one file, it is left alone.</summary>
    public static void Make(string from, string to)
    {
        var real = File.ResolveLinkTarget(from, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(from);
        using var name = AsideName.Claim(Path.GetFullPath(to));
        try
        {
            var made = OperatingSystem.IsWindows() ? CreateHardLink(name.Path, real, 0) : Link(real, name.Path) == 0;
            if (!made) File.Copy(real, name.Path);
            FileStep.Rename(name.Path, to);   // of two names of one file, does nothing
        }
        finally
        {
            File.Delete(name.Path);
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string to, string from, nint reserved);
}
