namespace OnnxAttribution.View;

/// <summary>Where the pages of runs lie.</summary>
internal static class PageAddress
{
    /// <summary>A page's name within its run directory.</summary>
    public const string FileName = "graph.html";

    /// <summary>Address of a run's page as seen from a directory; null: the run has none.</summary>
    public static string? Of(string run, string from)
    {
        var page = Path.Combine(Path.GetFullPath(run), FileName);
        if (!File.Exists(page)) return null;
        var parts = Path.GetRelativePath(from, page).Split(Path.DirectorySeparatorChar);
        return string.Join('/', parts.Select(p => p == ".." ? p : Uri.EscapeDataString(p)));
    }
}
