using System.Diagnostics;

namespace OnnxAttribution.Store;

/// <summary>A place for a run directory: what is put into <see cref="Temporary"/> appears at the path all at once, or never.</summary>
/// <remarks>
/// The temporary <c>.name.tmp-pid</c> lies beside the path, so that renaming it crosses no file system. A file <c>lock</c> in it is held
/// open while its writer lives; a temporary whose writer is gone is removed by the next writer to the same path.
/// </remarks>
internal sealed class RunPlace : IDisposable
{
    private const string LockName = "lock";
    private static readonly string[] DrawingExtensions = [".html", ".svg", ".dot", ".graphml"];
    private const string DrawingAsJson = "graph.json";   // no other JSON is a drawing: somebody may have put settings beside the run

    private readonly string _path;
    private readonly bool _force;
    private FileStream? _lock;

    /// <exception cref="RunDirectoryException">The path is taken, being written, or its parent is not writable.</exception>
    public RunPlace(string path, bool force)
    {
        (_path, _force) = (FullPath(path), force);
        Check(path, force);
        Temporary = Beside("tmp");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            RemoveStale();
            if (Directory.Exists(Temporary))
                throw RunDirectoryException.Busy(_path);
            Directory.CreateDirectory(Temporary);
            _lock = new FileStream(Path.Combine(Temporary, LockName), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(_path, e);
        }
    }

    /// <summary>Absolute path of the directory to fill.</summary>
    public string Temporary { get; }

    /// <summary>Refuses a path that a run may not be written to; changes nothing.</summary>
    /// <exception cref="RunDirectoryException">Something is there and <paramref name="force"/> is off, or it is not a run.</exception>
    public static void Check(string path, bool force)
    {
        string full = FullPath(path);
        if (File.Exists(full))
            throw force ? RunDirectoryException.NotARun(full, "it is a file") : RunDirectoryException.Exists(full);
        if (!Directory.Exists(full))
            return;
        if (!force)
            throw RunDirectoryException.Exists(full);
        var names = Directory.EnumerateFileSystemEntries(full).Select(entry => Path.GetFileName(entry)!).ToList();
        if (names.Count > 0 && !names.Contains("run.json"))
            throw RunDirectoryException.NotARun(full, "it has no run.json, so it is no run");
        string? foreign = names.FirstOrDefault(name => !IsOfRun(full, name));
        if (foreign is not null)
            throw RunDirectoryException.NotARun(full, $"it holds '{foreign}', which no run wrote");
    }

    /// <summary>Puts the directory in its place, and removes what it replaces.</summary>
    /// <exception cref="RunDirectoryException">Somebody else has taken the path meanwhile, or the file system refuses.</exception>
    public void Commit()
    {
        Check(_path, _force);
        string old = Beside("old");
        try
        {
            Unlock();
            bool replaces = Directory.Exists(_path);
            if (replaces)
                Directory.Move(_path, old);
            try
            {
                Directory.Move(Temporary, _path);
            }
            catch when (replaces)
            {
                Directory.Move(old, _path);
                throw;
            }
            if (replaces)
                Directory.Delete(old, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(_path, e);
        }
    }

    /// <summary>Removes the temporary, unless it has been committed.</summary>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
        if (Directory.Exists(Temporary))
            Directory.Delete(Temporary, recursive: true);
    }

    private void Unlock()
    {
        _lock?.Dispose();
        _lock = null;
        File.Delete(Path.Combine(Temporary, LockName));
    }

    private static string FullPath(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return Path.GetFileName(full).Length > 0 ? full : throw RunDirectoryException.NotARun(full, "it is the root of the file system");
    }

    private static bool IsOfRun(string directory, string name) =>
        File.Exists(Path.Combine(directory, name)) && (RunDirectory.Files.Any(file => name == file || OutputFile.IsBeside(name, file))
            || IsDrawing(name) || (OutputFile.PlaceOf(name) is { } place && IsDrawing(place)));

    private static bool IsDrawing(string name) => name == DrawingAsJson || DrawingExtensions.Contains(Path.GetExtension(name));

    private string Beside(string what) => Path.Combine(Path.GetDirectoryName(_path)!, $".{Path.GetFileName(_path)}.{what}-{Environment.ProcessId}");

    private void RemoveStale()
    {
        string own = Path.GetFileName(_path);
        foreach (string directory in Directory.EnumerateDirectories(Path.GetDirectoryName(_path)!))
        {
            string name = Path.GetFileName(directory);
            string[] prefixes = [$".{own}.tmp-", $".{own}.old-"];
            string? prefix = prefixes.FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal));
            if (prefix is not null && int.TryParse(name.AsSpan(prefix.Length), out int writer) && IsStale(directory, writer))
                Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>A process number alone does not tell: in a container the next run often has the last one's. The lock does.</summary>
    private static bool IsStale(string directory, int writer)
    {
        if (writer != Environment.ProcessId && IsAlive(writer))
            return false;
        try
        {
            string held = Path.Combine(directory, LockName);
            if (File.Exists(held))
                using (new FileStream(held, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    return true;
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static bool IsAlive(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return !found.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
