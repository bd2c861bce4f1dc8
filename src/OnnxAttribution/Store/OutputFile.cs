namespace OnnxAttribution.Store;

/// <summary>A file that is written beside its place and renamed when whole. Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
/// <remarks>The file aside, <c>.name.tmp</c>, is always the same, so what a dead writer left is overwritten; <c>.name.lock</c> keeps a living one out.</remarks>
internal sealed class OutputFile : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly string _path;
    private readonly Func<Exception, Exception> _unwritable;
    private readonly WriterLock _lock;

    /// <summary>Chooses the place; makes its directory where missing; waits for another writer of the same file.</summary>
    /// <param name="path">An older file there is replaced on <see cref="Commit"/>.</param>
    /// <param name="unwritable">Makes the exception that says that, and why, the file cannot be written.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <param name="patience">How long to wait; ten seconds where null.</param>
    public OutputFile(string path, Func<Exception, Exception> unwritable, CancellationToken cancellation = default, TimeSpan? patience = null)
    {
        (_path, _unwritable) = (Path.GetFullPath(path), unwritable);
        if (Directory.Exists(_path))
            throw unwritable(new IOException("it is a directory"));
        string directory = Path.GetDirectoryName(_path)!;
        Aside = AsideOf(_path);
        try
        {
            Directory.CreateDirectory(directory);
            _lock = WriterLock.Take(LockOf(_path), patience ?? s_patience, cancellation);
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw unwritable(e);
        }
        try
        {
            File.Create(Aside).Dispose();   // says now what the native library would say worse
        }
        catch (Exception e) when (IsRefusal(e))
        {
            _lock.Dispose();
            throw unwritable(e);
        }
    }

    /// <summary>Absolute path of the file to fill.</summary>
    public string Aside { get; }

    /// <summary>Whether a name in a directory is what a writer of <paramref name="file"/> makes beside it, or has left there.</summary>
    public static bool IsBeside(string name, string file) => name == Path.GetFileName(AsideOf(file)) || name == Path.GetFileName(LockOf(file));

    /// <summary>The name of the file that such a name is beside; null where it is beside none.</summary>
    public static string? PlaceOf(string name)
    {
        var place = name.StartsWith('.') ? Path.GetFileNameWithoutExtension(name)[1..] : "";
        return place.Length > 0 && IsBeside(name, place) ? place : null;
    }

    /// <summary>Renames the file to its place.</summary>
    public void Commit()
    {
        try
        {
            File.Move(Aside, _path, overwrite: true);
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw _unwritable(e);
        }
    }

    /// <summary>Removes what was not committed.</summary>
    public void Dispose()
    {
        try
        {
            File.Delete(Aside);
        }
        catch (IOException)
        {
            // the whole directory is gone
        }
        finally
        {
            _lock.Dispose();
        }
    }

    private static bool IsRefusal(Exception e) => e is IOException or UnauthorizedAccessException or TimeoutException;

    private static string AsideOf(string path) => Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.tmp");

    private static string LockOf(string path) => Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.lock");
}
