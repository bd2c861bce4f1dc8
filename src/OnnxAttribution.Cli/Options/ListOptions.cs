using System.CommandLine;
using System.CommandLine.Completions;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options whose value is a list with commas between.</summary>
internal static class ListOptions
{
    /// <summary>The items of a list, trimmed; empty ones are none.</summary>
    public static string[] Items(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Has the shell complete the list's last item by those that are not in it yet.</summary>
    public static void Completes(this Option option, params string[] items) => option.CompletionSources.Add(context =>
    {
        var begun = context.WordToComplete;
        var lead = begun[..(begun.LastIndexOf(',') + 1)];
        return items.Except(Items(lead)).Select(item => new CompletionItem(lead + item));
    });

    /// <returns>null where the option is not given.</returns>
    public static string[]? Items(this ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is { } list ? Items(list) : null;
}
