namespace OnnxAttribution.Files;

/// <summary>A directory that is filled beside its place and put there when whole.
/// Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
/// <remarks>What is replaced changes places with it in one system call, so that a kill at any moment leaves the old or the
/// new one. Where the system or the file system cannot do that, the old one is moved aside first; whoever writes to the place
/// next puts it back if the writer died in between.</remarks>
internal sealed class OutputDirectory : IDisposable
{
    private readonly string _path;
    private readonly AsideName _name;

    /// <param name="path">Absolute; missing directories above it are made.</param>
    /// <exception cref="IOException">The directory above cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory above cannot be written.</exception>
    public OutputDirectory(string path)
    {
        _path = path;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _name = AsideName.Claim(path);
        try
        {
            Directory.CreateDirectory(Aside);
        }
        catch
        {
            _name.Dispose();
            throw;
        }
    }

    /// <summary>Absolute path of the directory to fill.</summary>
    public string Aside => _name.Path;

    /// <summary>Puts the directory in its place, and removes what it replaces.</summary>
    public void Commit()
    {
        if (!Directory.Exists(_path)) FileStep.RenameDirectory(Aside, _path);
        else if (!FileStep.TryExchange(Aside, _path)) CommitByRenames();
    }

    /// <summary>Removes what was not committed, and what was replaced.</summary>
    public void Dispose()
    {
        try
        {
            foreach (var left in (string[])[Aside, _name.Old])
            {
                if (Directory.Exists(left)) Directory.Delete(left, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the next writer of the place tries again
        }
        finally
        {
            _name.Dispose();
        }
    }

    /// <summary>Replaces a directory where two cannot be exchanged.</summary>
    internal void CommitByRenames()
    {
        FileStep.RenameDirectory(_path, _name.Old);
        try
        {
            FileStep.RenameDirectory(Aside, _path);
        }
        catch
        {
            FileStep.RenameDirectory(_name.Old, _path);
            throw;
        }
    }
}
