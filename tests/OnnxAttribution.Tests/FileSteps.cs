using System.Diagnostics;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tests;

/// <summary>Meets each step by which a file or directory of one place appears, before it is done:
/// a disk at that moment is what a kill would leave.</summary>
internal sealed class FileSteps : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private readonly string _directory;
    private readonly Action<string> _before;
    private readonly List<IDisposable> _subscriptions = [];

    /// <param name="directory">Steps elsewhere are other tests'.</param>
    /// <param name="before">Gets the path that is about to appear; what it throws, the writer meets.</param>
    public FileSteps(string directory, Action<string> before)
    {
        (_directory, _before) = (directory + Path.DirectorySeparatorChar, before);
        _subscriptions.Add(DiagnosticListener.AllListeners.Subscribe(this));
    }

    /// <summary>A file system that refuses to put a file in its place, of root too, whom permissions do not stop.</summary>
    public static FileSteps Refusing(string file) => new(Path.GetDirectoryName(file)!, path =>
    {
        if (path == file) throw new IOException("refused by the test");
    });

    void IObserver<DiagnosticListener>.OnNext(DiagnosticListener listener)
    {
        if (listener.Name == FileStep.Listener) _subscriptions.Add(listener.Subscribe(this));
    }

    void IObserver<KeyValuePair<string, object?>>.OnNext(KeyValuePair<string, object?> step)
    {
        if (step.Value is string path && path.StartsWith(_directory, StringComparison.Ordinal)) _before(path);
    }

    void IObserver<DiagnosticListener>.OnCompleted() { }

    void IObserver<DiagnosticListener>.OnError(Exception error) { }

    void IObserver<KeyValuePair<string, object?>>.OnCompleted() { }

    void IObserver<KeyValuePair<string, object?>>.OnError(Exception error) { }

    public void Dispose()
    {
        foreach (var subscription in _subscriptions) subscription.Dispose();
    }
}
