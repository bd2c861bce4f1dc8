namespace OnnxAttribution.Cli.Terminal;

/// <summary>What the program's exit says: 128 and its number where a signal ended it (130: Ctrl-C).</summary>
internal static class ExitCodes
{
    public const int Done = 0, Failed = 1, WrongUsage = 2, Cancelled = 130;
}
