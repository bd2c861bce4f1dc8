namespace OnnxAttribution.Store;

/// <summary>Watches a query from beside. Some of DuckDB's calls heed no interrupt and count against no memory limit, such as one that makes
/// a text of a billion letters: a thread within one ends with the process alone, so whoever watches ends that.</summary>
internal sealed class QueryWatch : IDisposable
{
    /// <summary>Bytes that the process may take beside those it had.</summary>
    public const long MostMemory = 3L << 29;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10), s_patience = TimeSpan.FromSeconds(2);

    private readonly ManualResetEventSlim _over = new();
    private readonly Thread _thread;

    /// <param name="end">Called at most once, on another thread:
    /// with true where the query takes too much memory, with false where it goes on two seconds after it was cancelled.</param>
    /// <param name="cancel">What cancels the query.</param>
    public QueryWatch(Action<bool> end, CancellationToken cancel)
    {
        var most = Environment.WorkingSet + MostMemory;
        _thread = new Thread(() => Watch(most, end, cancel)) { IsBackground = true, Priority = ThreadPriority.AboveNormal };
        _thread.Start();
    }

    /// <summary>The query is over.</summary>
    public void Dispose()
    {
        _over.Set();
        _thread.Join();
        _over.Dispose();
    }

    private void Watch(long most, Action<bool> end, CancellationToken cancel)
    {
        long? cancelled = null;
        while (!_over.Wait(s_pause))
        {
            var tooLarge = Environment.WorkingSet > most;
            if (cancel.IsCancellationRequested) cancelled ??= System.Diagnostics.Stopwatch.GetTimestamp();
            if (!tooLarge && !(cancelled is { } since && System.Diagnostics.Stopwatch.GetElapsedTime(since) > s_patience)) continue;
            end(tooLarge);
            return;
        }
    }
}
