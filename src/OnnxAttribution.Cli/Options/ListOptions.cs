using System.CommandLine;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options whose value is a list with commas between.</summary>
internal static class ListOptions
{
    /// <summary>The items of a list, trimmed; empty ones are none.</summary>
    public static string[] Items(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <returns>null where the option is not given.</returns>
    public static string[]? Items(this ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is { } list ? Items(list) : null;
}
