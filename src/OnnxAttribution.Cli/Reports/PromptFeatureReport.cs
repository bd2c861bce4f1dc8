using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>features --prompt</c> prints: a table of active features at one position, or a prompt shaded by one feature.</summary>
/// <param name="rows">Those that are listed.</param>
/// <param name="promoted">The tokens that features raise most, by site and feature.</param>
internal sealed class PromptFeatureReport(PromptFeatures found, IReadOnlyList<ActiveFeature> rows,
    IReadOnlyDictionary<(string Site, int Feature), IReadOnlyList<string>> promoted)
{
    private const int MostLabel = 40, MostPromoted = 5;

    private bool IsCompared => found.AgainstTokens is not null;

    /// <summary>The position that is listed.</summary>
    public int Position { get; init; }

    /// <summary>The feature that the prompt is shaded by; null: a table.</summary>
    public FeatureName? Shown { get; init; }

    /// <param name="written">The file that was written; null: none.</param>
    public void Print(TextWriter output, string? written, double seconds)
    {
        if (Shown is { } shown) PrintShaded(output, shown);
        else PrintTable(output);
        if (written is { } file)
        {
            output.WriteLine($"wrote {file} ({Screen.Bytes(new FileInfo(file).Length)}): "
                + $"{Screen.Count(found.Rows.Count, "active feature")} at all {found.Tokens.Count} positions");
        }
        output.WriteLine($"time {seconds:0.00} s");
    }

    /// <inheritdoc cref="Print" path="/param"/>
    public JsonObject ToJson(string? written, double seconds)
    {
        var json = new JsonObject { ["tokens"] = FeatureReport.Array(found.Tokens, t => JsonValue.Create(t)) };
        if (found.AgainstTokens is { } other) json["against_tokens"] = FeatureReport.Array(other, t => JsonValue.Create(t));
        if (Shown is null) json["position"] = Position;
        json["features"] = FeatureReport.Array(rows, Json);
        json["file"] = written;
        json["seconds"] = seconds;
        return json;
    }

    private JsonObject Json(ActiveFeature row)
    {
        var json = new JsonObject
        {
            ["site"] = row.Site,
            ["position"] = row.Position,
            ["token"] = row.Token,
            ["feature"] = row.Feature,
            ["label"] = row.Label,
            ["activation"] = row.Activation,
            ["norm"] = row.Norm,
            ["share"] = row.Share,
            ["firing_rate"] = float.IsNaN(row.FiringRate) ? null : row.FiringRate,
        };
        if (IsCompared)
        {
            (json["against_token"], json["against_activation"], json["change_norm"]) =
                (row.AgainstToken, row.AgainstActivation, row.ChangeNorm);
        }
        if (promoted.TryGetValue((row.Site, row.Feature), out var tokens))
        {
            json["promoted"] = FeatureReport.Array(tokens, t => JsonValue.Create(t));
        }
        return json;
    }

    private void PrintTable(TextWriter output)
    {
        output.WriteLine($"prompt   {Tokens(found.Tokens)}");
        if (found.AgainstTokens is { } other) output.WriteLine($"against  {Tokens(other)}");
        if (rows.Count == 0)
        {
            output.WriteLine($"no feature is active at position {Position} that is not hidden");
            return;
        }
        var against = found.AgainstTokens is { } a && a[Position] != found.Tokens[Position]
            ? $", against {DisplayText.Quoted(a[Position])}" : "";
        string[] compared = IsCompared ? ["#against", "#change of norm"] : [];
        var table = Screen.Table($"Active at {Position} {DisplayText.Quoted(found.Tokens[Position])}{against}",
            ["feature", "#activation", "#norm", "#share", .. compared, "#fires at", "promotes"]);
        var site = rows[0].Site;
        foreach (var row in rows)
        {
            if (row.Site != site) table.AddEmptyRow();
            site = row.Site;
            var label = row.Label is { } said ? $" {DisplayText.QuotedStart(said, MostLabel)}" : "";
            string[] change = IsCompared ? [Screen.Number(row.AgainstActivation), Screen.Number(row.ChangeNorm)] : [];
            var tokens = promoted.GetValueOrDefault((row.Site, row.Feature), []).Take(MostPromoted).Select(DisplayText.Quoted);
            table.AddRow([FeatureName.Of(row.Site, row.Feature) + label, Screen.Number(row.Activation), Screen.Number(row.Norm),
                Screen.Percent(row.Share), .. change, float.IsNaN(row.FiringRate) ? "–" : Screen.Percent(row.FiringRate),
                string.Join(" ", tokens)]);
        }
        Screen.On(output).Show(table, mayDrop: 1);
        output.WriteLine("norm: length of what a feature writes; share: of the activations at its site and position");
    }

    // colours where there are some; the numbers beside the tokens always
    private void PrintShaded(TextWriter output, FeatureName shown)
    {
        var label = rows.FirstOrDefault()?.Label is { } said ? $" {DisplayText.Quoted(said)}" : "";
        output.WriteLine($"feature  {FeatureName.Of(shown.Site, shown.Feature)}{label}");
        var max = rows.SelectMany(r => (float[])[r.Activation, r.AgainstActivation]).Where(a => a > 0).DefaultIfEmpty(0).Max();
        Shade(output, "prompt ", found.Tokens, rows.ToDictionary(r => r.Position, r => r.Activation), max);
        if (found.AgainstTokens is { } other)
        {
            Shade(output, "against", other, rows.ToDictionary(r => r.Position, r => r.AgainstActivation), max);
        }
    }

    private static void Shade(TextWriter output, string lead, IReadOnlyList<string> tokens, Dictionary<int, float> activations, float max)
    {
        float[] at = [.. Enumerable.Range(0, tokens.Count).Select(t => activations.GetValueOrDefault(t))];
        var active = at.Index().Where(a => a.Item > 0)
            .Select(a => $"{a.Index} {DisplayText.Quoted(tokens[a.Index])} {Screen.Number(a.Item)}").ToList();
        var console = Screen.On(output);
        if (active.Count > 0 && console.Profile.Capabilities.ColorSystem != ColorSystem.NoColors)
        {
            var line = new FeatureContext(0, at.Index().MaxBy(a => a.Item).Index, tokens, at);
            console.Write(new Columns(Screen.Cell($"{lead}  "), ContextText.Coloured(line, max)) { Expand = false });
        }
        output.WriteLine($"{lead}  {(active.Count > 0 ? string.Join("  ", active) : "not active")}");
    }

    private static string Tokens(IReadOnlyList<string> texts) => string.Join("  ", texts.Select((t, i) => $"{i} {DisplayText.Quoted(t)}"));
}
