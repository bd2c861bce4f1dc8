using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Terminal;

/// <summary>One line on stderr that says what is going on; none where stderr is no terminal.</summary>
internal sealed class ProgressLine(TextWriter error) : IProgress<string>, IDisposable
{
    private const string ClearLine = "\r\x1b[K";

    private readonly TextWriter? _terminal = error is DisplayWriter { IsTerminal: true } display ? display.Raw : null;

    public void Report(string value) => _terminal?.Write($"{ClearLine}{DisplayText.OneLine(value)} …");

    public void Dispose() => _terminal?.Write(ClearLine);
}
