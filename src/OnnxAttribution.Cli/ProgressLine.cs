namespace OnnxAttribution.Cli;

/// <summary>One line on stderr that says what is going on; none where stderr is no terminal.</summary>
internal sealed class ProgressLine(TextWriter error) : IProgress<string>, IDisposable
{
    private readonly bool _isTerminal = ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected;

    public void Report(string value)
    {
        if (_isTerminal) error.Write($"\r\x1b[K{value} …");
    }

    public void Dispose()
    {
        if (_isTerminal) error.Write("\r\x1b[K");
    }
}
