using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>features --search</c> prints: features that have to do with a word, best first.</summary>
internal sealed class FeatureSearchReport(string word, IReadOnlyList<FeatureMatch> matches)
{
    private const int MostRows = 20, MostLabel = 48;

    public JsonObject ToJson() => new()
    {
        ["word"] = word,
        ["matches"] = FeatureReport.Array(matches, m => new JsonObject
        {
            ["site"] = m.Feature.Site,
            ["feature"] = m.Feature.Feature,
            ["label"] = m.Label,
            ["firing_rate"] = m.Feature.FiringRate,
            ["max_activation"] = m.Feature.MaxActivation,
            ["contexts"] = m.Contexts,
            ["weaker_contexts"] = m.Weaker,
            ["strongest_contexts"] = m.Feature.Contexts.Count(c => c.Quantile == 0),
            ["promoted"] = FeatureReport.Array(m.Promoted, t => JsonValue.Create(t)),
            ["example"] = m.Example is { } e ? FeatureReport.Json(e) : null,
        }),
    };

    public void Print(TextWriter output)
    {
        if (matches.Count == 0)
        {
            output.WriteLine($"no feature is active on {DisplayText.Quoted(word)} in its contexts, promotes it or is labelled with it");
            return;
        }
        var console = Screen.On(output);
        var isPlain = console.Profile.Capabilities.ColorSystem == ColorSystem.NoColors;
        var table = Screen.Table($"Features active on {DisplayText.Quoted(word)}, or promoting it", "feature", "#contexts", "#fires at",
            "#largest", "promotes", "strongest context");
        foreach (var m in matches.Take(MostRows))
        {
            var example = m.Example is not { } e ? Screen.Cell("")
                : isPlain ? Screen.Cell(ContextText.Plain(e))
                : (Spectre.Console.Rendering.IRenderable)ContextText.Coloured(e, m.Feature.MaxActivation);
            var label = m.Label is { } said ? $" {DisplayText.QuotedStart(said, MostLabel)}" : "";
            table.AddRow(Screen.Cell($"{FeatureName.Of(m.Feature.Site, m.Feature.Feature)}{label}"),
                Screen.Cell($"{m.Contexts} of {m.Feature.Contexts.Count(c => c.Quantile == 0)}"),
                Screen.Cell(Screen.Percent(m.Feature.FiringRate)), Screen.Cell(Screen.Number(m.Feature.MaxActivation)),
                Screen.Cell(string.Join(" ", m.Promoted.Select(DisplayText.Quoted))), example);
        }
        console.Show(table, mayDrop: 2);
        if (matches.Count > MostRows)
        {
            output.WriteLine($"the first {MostRows} of {Screen.Count(matches.Count, "feature")}; --json lists all");
        }
    }
}
