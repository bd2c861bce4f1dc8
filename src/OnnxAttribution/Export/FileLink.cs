using System.Runtime.InteropServices;

namespace OnnxAttribution.Export;

/// <summary>A second name for a file, so that a bundle holds weights without copying them.</summary>
internal static partial class FileLink
{
    /// <summary>A hard link, or a copy where the file system allows none (another disk).</summary>
    public static void Make(string from, string to)
    {
        if (File.Exists(to)) File.Delete(to);
        var real = File.ResolveLinkTarget(from, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(from);
        var made = OperatingSystem.IsWindows() ? CreateHardLink(Path.GetFullPath(to), real, 0) : Link(real, Path.GetFullPath(to)) == 0;
        if (!made) File.Copy(real, to);
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string to, string from, nint reserved);
}
