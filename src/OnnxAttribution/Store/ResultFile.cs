using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A file that somebody names for a result: a picture, a table, the rows of a query.</summary>
/// <param name="Path">Where it will lie.</param>
/// <param name="Force">Replace a file that is there. What is no file, and what a run or a bundle consists of, is never replaced.</param>
internal readonly record struct ResultFile(string Path, bool Force)
{
    /// <summary>For who names a directory: what the file could be called in it.</summary>
    public required string Example { get; init; }

    /// <summary>The one table that may be replaced in a run, by a table of the same kind; null: none.</summary>
    public string? Table { get; init; }

    /// <summary>Where a file that is named by its user will lie: a link stays, and what it leads to is written.</summary>
    public static string Named(string path) => RegularFile.ProblemOfPlace(path) is null ? RealPath.Behind(path) : path;

    /// <summary>Refuses a place that nothing may be written to. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">A file is there and <see cref="Force"/> is off, it is a directory or no file,
    /// or it is a part of a run or of a bundle.</exception>
    public void RequireFree()
    {
        if (Directory.Exists(Path)) throw RunDirectoryException.ResultIsDirectory(Path, Example);
        if (RegularFile.ProblemOfPlace(Path) is { } problem)
        {
            throw RunDirectoryException.Unwritable(Path, new NotAFileException(Path, problem));
        }
        var full = System.IO.Path.GetFullPath(Path);
        if (IsOfRun(full)) throw RunDirectoryException.ProtectedFile(Path, "run");
        if (IsOfBundle(full)) throw RunDirectoryException.ProtectedFile(Path, "bundle");
        if (!Force && (File.Exists(Path) || new FileInfo(Path).LinkTarget is not null)) throw RunDirectoryException.FileExists(Path);
    }

    private bool IsOfRun(string full)
    {
        var name = System.IO.Path.GetFileName(full);
        return RunNames.Files.Contains(name) && (Table is null || name != FurtherTables.File(Table))
            && File.Exists(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(full)!, RunNames.RecordFile));
    }

    private static bool IsOfBundle(string full)
    {
        for (var above = System.IO.Path.GetDirectoryName(full); above is not null; above = System.IO.Path.GetDirectoryName(above))
        {
            if (File.Exists(System.IO.Path.Combine(above, BundleManifest.FileName)))
            {
                return Lists(above, System.IO.Path.GetRelativePath(above, full).Replace('\\', '/'));
            }
        }
        return false;
    }

    private static bool Lists(string bundle, string name)
    {
        if (name is BundleManifest.FileName or RunNames.FeaturesFile) return true;
        try
        {
            return BundleManifest.Read(bundle).Files.ContainsKey(name);
        }
        catch (BundleException)
        {
            return false;   // of another format, or damaged: it says of no file that it is a part
        }
    }
}
