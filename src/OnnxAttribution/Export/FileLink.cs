using System.Runtime.InteropServices;

namespace OnnxAttribution.Export;

/// <summary>A second name for a file, so that a bundle holds weights without copying them.</summary>
internal static partial class FileLink
{
    /// <summary>A hard link, or a copy where the file system allows none (another disk). Made aside and renamed: where both names turn out to be one file,
    /// it is left alone.</summary>
    public static void Make(string from, string to)
    {
        var real = File.ResolveLinkTarget(from, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(from);
        var aside = Path.GetFullPath(to) + ".part";
        try
        {
            File.Delete(aside);
            var made = OperatingSystem.IsWindows() ? CreateHardLink(aside, real, 0) : Link(real, aside) == 0;
            if (!made) File.Copy(real, aside);
            File.Move(aside, to, overwrite: true);   // of two names of one file, does nothing
        }
        finally
        {
            File.Delete(aside);
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string to, string from, nint reserved);
}
