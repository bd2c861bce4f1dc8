using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Reports;

/// <summary>The lines that say what was asked: tokens, the likeliest next ones, the metric.</summary>
internal static class PromptLines
{
    private const int TopTokens = 5;

    public static void Print(PromptRunRecord run, TextWriter output)
    {
        output.WriteLine($"prompt   {Tokens(run.TokenStrings)}");
        if (run.PatchTokens is not null) output.WriteLine($"patch    {Tokens(run.PatchTokenStrings)}");
        var next = (run.TopTokens ?? []).Take(TopTokens).Select(t => $"{Quoted(t.Token)} {Screen.Percent(t.Probability ?? float.NaN)}");
        output.WriteLine($"next     {string.Join("  ", next)}");
        var target = run.Target is null ? "" : $" of {Quoted(run.Target)}";
        var foil = run.Foil is null ? "" : $" over {Quoted(run.Foil)}";
        var patched = run.PatchMetric is { } p ? $", patch {Screen.Number(p)}" : "";
        var estimator = (run as GraphRunRecord)?.Options?.Estimator is { } e && e != "gradient" ? $", estimator {e}" : "";
        var edges = (run as GraphRunRecord)?.Options?.Edges == "exact" ? ", exact edges" : "";
        output.WriteLine($"metric   {run.Metric}{target}{foil} after position {run.Position}: "
            + $"clean {Screen.Number(run.CleanMetric ?? float.NaN)}{patched}{estimator}{edges}");
    }

    private static string Tokens(IReadOnlyList<string>? texts) => string.Join("  ", (texts ?? []).Select((t, i) => $"{i} {Quoted(t)}"));

    private static string Quoted(string? text) => DisplayText.Quoted(text ?? "");
}
