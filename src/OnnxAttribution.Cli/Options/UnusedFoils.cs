using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Options;

/// <summary>The warning that lines of a file have foils, for which the metric has no use; of one prompt --foil is refused then.</summary>
internal static class UnusedFoils
{
    /// <summary>Looks at the lines before they are run.</summary>
    public static void Warn(IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines, MetricKind metric, TextWriter error)
    {
        var count = metric == MetricKind.LogitDiff ? 0 : lines.Count(l => l.Task?.Foil is not null);
        if (count == 0) return;
        error.WriteLine($"warning: {Screen.Count(count, "prompt")} {(count == 1 ? "has" : "have")} a foil, which the metric "
            + $"{Metric.NameOf(metric)} does not use; give --metric {Metric.NameOf(MetricKind.LogitDiff)}, or take it out of the file");
    }
}
