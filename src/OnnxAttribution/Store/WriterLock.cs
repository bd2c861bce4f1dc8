namespace OnnxAttribution.Store;

/// <summary>Keeps other writers out, in this process and others, while it lives. Its file is gone with it; one left by a dead writer locks nobody out.</summary>
internal sealed class WriterLock : IDisposable
{
    private const int UnixSharingViolation = 11, MacSharingViolation = 35, WindowsSharingViolation = unchecked((int)0x80070020);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    private readonly string _file;
    private readonly FileStream _stream;

    private WriterLock(string file, FileStream stream) => (_file, _stream) = (file, stream);

    /// <summary>Waits for its turn.</summary>
    /// <param name="file">A file that nobody else has a use for.</param>
    /// <param name="patience">How long to wait for another writer.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="TimeoutException">Another writer took longer.</exception>
    /// <exception cref="IOException">The file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The file cannot be made.</exception>
    public static WriterLock Take(string file, TimeSpan patience, CancellationToken cancellation)
    {
        for (var waited = TimeSpan.Zero; ; waited += s_pause)
        {
            if (TryTake(file) is { } taken)
                return taken;
            if (waited >= patience)
                throw new TimeoutException("another program is writing it");
            cancellation.WaitHandle.WaitOne(s_pause);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    public void Dispose()
    {
        // Unix: removed while still held, so that nobody can take it in between. Windows removes no open file.
        try
        {
            if (OperatingSystem.IsWindows())
                _stream.Dispose();
            File.Delete(_file);
        }
        catch (IOException)
        {
            // its directory is gone, or the next writer has it
        }
        finally
        {
            _stream.Dispose();
        }
    }

    private static WriterLock? TryTake(string file)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            // On Unix the last holder may have removed the file after we opened it: then we hold a lock on nothing. A length that only ours has tells.
            int length = Random.Shared.Next(1, 1 << 20);
            stream.SetLength(length);
            var found = new FileInfo(file);
            if (found.Exists && found.Length == length)
                return new WriterLock(file, stream);
        }
        catch (IOException e) when (e.HResult is UnixSharingViolation or MacSharingViolation or WindowsSharingViolation)
        {
            return null;
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
        stream.Dispose();
        return null;
    }
}
