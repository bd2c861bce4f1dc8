using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A place for a run directory: what is put into <see cref="Temporary"/> appears at the path all at once, or never.</summary>
internal sealed class PendingRun : IDisposable
{
    private static readonly string[] DrawingExtensions = [".html", ".svg", ".png", ".pdf", ".dot", ".graphml"];
    private const string DrawingAsJson = "graph.json";   // no other JSON is a drawing: somebody may have put settings beside the run

    private readonly string _path;
    private readonly bool _force;
    private readonly string? _inner;
    private readonly OutputDirectory _output;

    /// <param name="inner">The run is a directory of that name within the path, which holds nothing else; null: it is the path.</param>
    /// <exception cref="RunDirectoryException">The path is taken, being written, or its parent is not writable.</exception>
    public PendingRun(string path, bool force, string? inner = null)
    {
        (_path, _force, _inner) = (FullPath(path), force, inner);
        Check(path, force, inner);
        try
        {
            if (AsideName.RemoveLeftovers(_path)) throw RunDirectoryException.Busy(_path);
            _output = new OutputDirectory(_path);
            Directory.CreateDirectory(Temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(_path, e);
        }
    }

    /// <summary>Absolute path of the directory to fill.</summary>
    public string Temporary => Path.Combine(_output.Aside, _inner ?? "");

    /// <summary>Refuses a path that a run may not be written to; changes nothing, but for what dead writers left:
    /// a run that was moved aside is put back, what was being added to the run is removed.</summary>
    /// <param name="inner">As for the constructor. A run that lies in the path itself, as older versions wrote it, is replaced too.</param>
    /// <exception cref="RunDirectoryException">Something is there and <paramref name="force"/> is off,
    /// or it is not a run, or lies in one, or somebody is adding to it.</exception>
    public static void Check(string path, bool force, string? inner = null)
    {
        var full = FullPath(path);
        if (RunAbove(full) is { } above) throw RunDirectoryException.InARun(full, above);
        CheckPlace(full, force, inner);
    }

    private static void CheckPlace(string full, bool force, string? inner)
    {
        if (!Directory.Exists(full)) AsideName.RemoveLeftovers(full);
        if (File.Exists(full)) throw force ? RunDirectoryException.NotARun(full, "it is a file") : RunDirectoryException.Exists(full);
        if (!Directory.Exists(full)) return;
        if (!force) throw RunDirectoryException.Exists(full);
        if (RealPath.Of(full) == Environment.CurrentDirectory)   // where paths begin would be gone with it
        {
            throw RunDirectoryException.NotARun(full, "it is the directory that this was called from");
        }
        var names = Directory.EnumerateFileSystemEntries(full).Select(entry => Path.GetFileName(entry)!).ToList();
        var within = inner is not null && Directory.Exists(Path.Combine(full, inner)) ? inner : null;
        if (names.Count > 0 && !names.Contains(RunNames.RecordFile) && within is null)
        {
            throw RunDirectoryException.NotARun(full, "it has no run.json, so it is no run");
        }
        var foreign = names.FirstOrDefault(name => name != within && !IsOfRun(full, name));
        if (foreign is not null) throw RunDirectoryException.NotARun(full, $"it holds '{foreign}', which no run wrote");
        if (names.Select(AsideName.PlaceOf).OfType<string>().Distinct().Any(name => AsideName.RemoveLeftovers(Path.Combine(full, name))))
        {
            throw RunDirectoryException.Busy(full);
        }
        if (within is not null) CheckPlace(Path.Combine(full, within), force, inner: null);
    }

    // a run holds its own files and no other run: with one in it, it could not be replaced any more
    private static string? RunAbove(string full) => Path.GetDirectoryName(full) is { } above && IsRun(above) ? above : null;

    /// <summary>Whether a directory is a run, by its files.</summary>
    internal static bool IsRun(string directory) =>
        File.Exists(Path.Combine(directory, RunNames.RecordFile)) && File.Exists(Path.Combine(directory, RunNames.NodesFile));

    /// <summary>Puts the directory in its place, and removes what it replaces.</summary>
    /// <exception cref="RunDirectoryException">Somebody else has taken the path meanwhile, or the file system refuses.</exception>
    public void Commit()
    {
        Check(_path, _force, _inner);
        try
        {
            _output.Commit();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(_path, e);
        }
    }

    /// <summary>Removes the temporary, unless it has been committed.</summary>
    public void Dispose() => _output.Dispose();

    private static string FullPath(string path)
    {
        var full = RealPath.Behind(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        return Path.GetFileName(full).Length > 0 ? full : throw RunDirectoryException.NotARun(full, "it is the root of the file system");
    }

    private static bool IsOfRun(string directory, string name) =>
        File.Exists(Path.Combine(directory, name)) && (IsFileOfRun(name) || (AsideName.PlaceOf(name) is { } place && IsFileOfRun(place)));

    private static bool IsFileOfRun(string name) =>
        RunNames.Files.Contains(name) || name == DrawingAsJson || DrawingExtensions.Contains(Path.GetExtension(name));
}
