using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Terminal;

/// <summary>The door to stdout and stderr: whatever file a text comes from,
/// in results, messages and stack traces, nothing in it steers a terminal.</summary>
/// <remarks>Escaping keeps JSON the same JSON. Colours and progress go past it, to <see cref="Raw"/>,
/// with texts that are escaped by <see cref="Screen"/> and <see cref="ProgressLine"/>.</remarks>
/// <param name="raw">Stays open.</param>
internal sealed class DisplayWriter(TextWriter raw, bool isTerminal) : TextWriter
{
    private readonly Lock _gate = new();
    private char? _half;    // of a surrogate pair that is written character by character

    /// <summary>Where our own control sequences go, and nothing else.</summary>
    public TextWriter Raw => raw;

    public bool IsTerminal => isTerminal;

    public override Encoding Encoding => raw.Encoding;

    public override void Write(char value)
    {
        lock (_gate)
        {
            if (_half is null && char.IsHighSurrogate(value)) _half = value;
            else Put($"{value}");
        }
    }

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void Write(string? value)
    {
        if (string.IsNullOrEmpty(value)) return;
        lock (_gate) Put(value);
    }

    public override void WriteLine(string? value) => Write(value + raw.NewLine);

    public override void Flush()
    {
        lock (_gate)
        {
            if (_half is not null) Put("");
            raw.Flush();
        }
    }

    /// <summary>For rows in bytes of UTF-8: as they are where a file or another program takes them,
    /// to be read where a terminal shows them.</summary>
    public Stream OpenData() => ReferenceEquals(raw, Console.Out) && !isTerminal ? Console.OpenStandardOutput() : new DisplayStream(this);

    private void Put(string text)
    {
        if (_half is { } half) (text, _half) = (half + text, null);
        try
        {
            raw.Write(DisplayText.Lines(text));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OutputException(e);
        }
    }
}
