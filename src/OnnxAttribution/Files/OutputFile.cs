namespace OnnxAttribution.Files;

/// <summary>A file that is written beside its place and renamed when whole.
/// Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
/// <remarks>It has a random name until then (<see cref="AsideName"/>); writers of one place take turns.</remarks>
internal sealed class OutputFile : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly string _path;
    private readonly Func<Exception, Exception> _unwritable;
    private readonly AsideName _name;

    /// <summary>Chooses the place; makes its directory where missing; waits for another writer of the same file.</summary>
    /// <param name="path">An older file there is replaced on <see cref="Commit"/>.</param>
    /// <param name="unwritable">Makes the exception that says that, and why, the file cannot be written; null leaves it as it is.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <param name="patience">How long to wait; ten seconds where null.</param>
    public OutputFile(string path, Func<Exception, Exception>? unwritable = null, CancellationToken cancel = default,
        TimeSpan? patience = null)
    {
        (_path, _unwritable) = (Path.GetFullPath(path), unwritable ?? (why => why));
        if (RegularFile.ProblemOfPlace(_path) is { } problem) throw _unwritable(new NotAFileException(_path, problem));
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            _name = AsideName.ClaimAlone(_path, patience ?? s_patience, cancel);
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw _unwritable(e);
        }
        try
        {
            // says now what the native library would say worse
            new FileStream(Aside, FileMode.CreateNew, FileAccess.Write).Dispose();
        }
        catch (Exception e) when (IsRefusal(e))
        {
            _name.Dispose();
            throw _unwritable(e);
        }
    }

    /// <summary>Absolute path of the file to fill.</summary>
    public string Aside => _name.Path;

    /// <summary>Writes a file whole or not at all.</summary>
    /// <param name="write">Gets the open file.</param>
    /// <inheritdoc cref="OutputFile(string, Func{Exception, Exception}?, CancellationToken, TimeSpan?)"/>
    public static void Write(string path, Action<FileStream> write, Func<Exception, Exception>? unwritable = null,
        CancellationToken cancel = default)
    {
        using var output = new OutputFile(path, unwritable, cancel);
        output.Fill(write);
        cancel.ThrowIfCancellationRequested();
        output.Commit();
    }

    /// <summary>Fills the file and closes it.</summary>
    public void Fill(Action<FileStream> write)
    {
        try
        {
            using var stream = new FileStream(Aside, FileMode.Open, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
            write(stream);
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw _unwritable(e);
        }
    }

    /// <summary>Renames the file to its place.</summary>
    public void Commit()
    {
        try
        {
            FileStep.Rename(Aside, _path);
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the whole directory is gone, or may not be changed any more
        }
        finally
        {
            _name.Dispose();
        }
    }

    private static bool IsRefusal(Exception e) => e is IOException or UnauthorizedAccessException or TimeoutException;
}
