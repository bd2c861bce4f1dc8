namespace OnnxAttribution.Cli.Terminal;

/// <summary>What the program prints finds no taker: stdout is closed, or what it leads to is full. Files that were written stay.</summary>
internal sealed class OutputException(Exception why)
    : IOException(
        "what this prints cannot be written: stdout is closed, or what it leads to is full; files that were written before are whole", why);
