namespace OnnxAttribution.Files;

/// <summary>The path of a folder or file as the file system has it: in full, without dots, every link on the way followed.</summary>
internal static class RealPath
{
    private const int MostLinks = 40;   // as the kernel follows

    /// <returns>The path in full where a part of it does not exist or cannot be looked at.</returns>
    public static string Of(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        try
        {
            return Followed(full, MostLinks);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return full;
        }
    }

    /// <summary>A path as it is, or where the link of that name leads: what is replaced is what lies there, and the link stays.</summary>
    public static string Behind(string path) => new FileInfo(path).LinkTarget is null ? path : Of(path);

    private static string Followed(string full, int links)
    {
        var at = Path.GetPathRoot(full)!;
        var parts = full[at.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            at = Path.Combine(at, parts[i]);
            if (links == 0 || new DirectoryInfo(at).LinkTarget is not { } target) continue;
            var rest = Path.Combine([Path.GetDirectoryName(at)!, target, .. parts[(i + 1)..]]);
            return Followed(Path.GetFullPath(rest), links - 1);
        }
        return at;
    }
}
