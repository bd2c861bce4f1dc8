using System.Collections.Concurrent;

namespace OnnxAttribution.Runtime;

/// <summary>Work that is done beside what runs, since it will be needed soon: what is begun first is done first, on one thread.
/// Who makes one disposes it, before anything that the work uses.</summary>
/// <remarks>A step that fails ends its work, and is left to whoever needs what it was to make: they do it anew and meet its failure.
/// </remarks>
internal sealed class WorkAhead : IDisposable
{
    private readonly ConcurrentDictionary<object, bool> _begun = new();
    private readonly Lock _lock = new();
    private Task _last = Task.CompletedTask;
    private volatile bool _isOver;

    /// <summary>Nothing more is begun.</summary>
    public bool IsOver => _isOver;

    /// <summary>Begins work; what was begun under the same key before is not begun again.</summary>
    /// <param name="steps">Asked for one by one, on the other thread.</param>
    public void Begin(object key, IEnumerable<Action> steps)
    {
        if (_isOver || !_begun.TryAdd(key, true)) return;
        lock (_lock)
        {
            _last = _last.ContinueWith(_ => Do(steps), CancellationToken.None, TaskContinuationOptions.LongRunning, TaskScheduler.Default);
        }
    }

    /// <summary>Waits until all that was begun is done.</summary>
    public void Finish()
    {
        Task last;
        lock (_lock) last = _last;
        last.Wait();
    }

    /// <summary>Ends after the step that is being done, and waits for it.</summary>
    public void Dispose()
    {
        _isOver = true;
        Finish();
    }

    private void Do(IEnumerable<Action> steps)
    {
        try
        {
            foreach (var step in steps)
            {
                if (_isOver) return;
                step();
            }
        }
        catch (Exception)
        {
            // whoever needs what was not made meets it
        }
    }
}
