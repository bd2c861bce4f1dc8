namespace OnnxAttribution.Store;

/// <summary>A file that is written beside its place and renamed when whole. Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly string _path;

    /// <summary>Chooses the place; makes its directory where missing.</summary>
    /// <param name="path">An older file there is replaced on <see cref="Commit"/>.</param>
    /// <param name="taboo">Absolute paths of files that must not be replaced.</param>
    /// <exception cref="QueryException">The path is a directory or one of the taboo files, or cannot be written.</exception>
    public OutputFile(string path, IReadOnlyCollection<string> taboo)
    {
        _path = Path.GetFullPath(path);
        if (taboo.Contains(_path))
            throw QueryException.Protected(path);
        if (Directory.Exists(_path))
            throw QueryException.Unwritable(path, new IOException("it is a directory"));
        string directory = Path.GetDirectoryName(_path)!;
        Aside = Path.Combine(directory, $".{Path.GetFileName(_path)}.tmp-{Environment.ProcessId}");
        try
        {
            Directory.CreateDirectory(directory);
            File.Create(Aside).Dispose();   // says now what the native library would say worse
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw QueryException.Unwritable(path, e);
        }
    }

    /// <summary>Absolute path of the file to fill.</summary>
    public string Aside { get; }

    /// <summary>Renames the file to its place.</summary>
    /// <exception cref="QueryException">The file system refuses.</exception>
    public void Commit()
    {
        try
        {
            File.Move(Aside, _path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw QueryException.Unwritable(_path, e);
        }
    }

    /// <summary>Removes what was not committed.</summary>
    public void Dispose() => File.Delete(Aside);
}
