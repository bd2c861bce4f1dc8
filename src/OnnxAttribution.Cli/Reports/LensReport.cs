using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Lenses;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>lens</c> prints.</summary>
/// <param name="top">How many summands of a kind are listed.</param>
/// <param name="text">Of a token id.</param>
internal sealed class LensReport(LensRun run, int top, Func<int, string> text)
{
    private const int TokensShown = 3, NextShown = 5;

    private readonly LensRecord _record = run.Record();

    // of one prompt at the metric's position
    private IEnumerable<LensReading> AtMetric => run.Readings.Where(r => r.Position is null || r.Position == _record.Position);

    public JsonObject ToJson(string? place, double seconds)
    {
        var json = LensDirectory.ToObject(_record);
        json["readings"] = new JsonArray([.. AtMetric.Select(Json)]);
        json["summands"] = new JsonArray([.. run.Summands.Select(Json)]);
        json["out"] = place;
        json["seconds"] = seconds;
        return json;
    }

    public void Print(TextWriter output, string? place, double seconds)
    {
        PrintAsked(output);
        var console = Screen.On(output);
        console.Show(Readings(), mayDrop: 1);
        if (run.Summands.Count > 0 && top > 0)
        {
            console.Write(Strongest("Strongest summands of the final stream", s => s.Of is null));
            if (run.Summands.Any(s => s.Head is not null)) console.Write(Strongest("Strongest heads", s => s.Head is not null));
            if (run.Summands.Any(s => s.Feature is not null))
            {
                console.Write(Strongest("Strongest features", s => s.Kind is SummandKind.Feature or SummandKind.Error));
            }
        }
        if (run.Summands.Count > 0) output.WriteLine(SumLine());
        if (_record.WithoutSummands is { } without) output.WriteLine($"note: {without}: there are no summands");
        if (_record.BelowSoftCap) output.WriteLine("note: the model lays a soft cap over its logits; all values here lie below it");
        if (place is not null)
        {
            var files = Directory.GetFiles(place, "*.parquet").Select(Path.GetFileName).Order(StringComparer.Ordinal);
            output.WriteLine($"wrote {place}: {string.Join(", ", files)}, lens.json");
        }
        output.WriteLine($"time {seconds:0.00} s");
    }

    private void PrintAsked(TextWriter output)
    {
        if (_record.TokenStrings is { } tokens)
        {
            output.WriteLine($"prompt   {string.Join("  ", tokens.Select((t, i) => $"{i} {DisplayText.Quoted(t)}"))}");
            output.WriteLine("next     " + string.Join("  ", (_record.TopTokens ?? []).Take(NextShown)
                .Select(t => $"{DisplayText.Quoted(t.Token ?? "")} {Screen.Percent(t.Probability ?? float.NaN)}")));
            var what = _record.FoilId is null ? $"logit of {DisplayText.Quoted(_record.Target!)} less the mean over the vocabulary"
                : $"logit-diff of {DisplayText.Quoted(_record.Target!)} over {DisplayText.Quoted(_record.Foil!)}";
            output.WriteLine($"metric   {what}, after position {_record.Position}: {Screen.Number(run.Value)}");
            return;
        }
        output.WriteLine($"prompts  {run.Prompts.Count:N0} of {_record.PromptsOf}, means at "
            + $"{(_record.Position is { } p ? $"position {p}" : "each one's last position")}");
        output.WriteLine($"metric   {_record.Metric}: {Screen.Number(run.Value)} on average");
    }

    private Table Readings()
    {
        var isOne = run.Prompts.Count == 1;
        var table = Screen.Table($"The residual stream, read with {(_record.Scale == "own" ? "each one's own" : "the final")} scale",
            isOne ? ["site", "#metric", "#change", "likeliest tokens"] : ["site", "#metric", "#change"]);
        double? before = null;
        foreach (var r in AtMetric)
        {
            List<string> cells = [Site.Parse(r.Site).ShortName, Screen.Number(r.Value),
                before is { } b ? Screen.Number(r.Value - b) : "–"];
            if (isOne) cells.Add(Tokens(r));
            table.AddRow([.. cells]);
            before = r.Value;
        }
        return table;
    }

    private string Tokens(LensReading reading) => string.Join("  ", reading.Tokens.Take(TokensShown)
        .Select(t => $"{DisplayText.Quoted(text(t.Token))} {Screen.Percent(t.Probability)}"));

    private Table Strongest(string title, Func<LensSummand, bool> which)
    {
        var table = Screen.Table(title, "summand", "#adds", "#share");
        foreach (var s in run.Summands.Where(which).OrderByDescending(s => Math.Abs(s.Value)).Take(top))
        {
            table.AddRow(s.Name, Screen.Number(s.Value), Screen.Percent(s.Value / run.Value));
        }
        return table;
    }

    private string SumLine()
    {
        var whole = run.Summands.Where(s => s.Of is null).ToList();
        return $"sum      {Screen.Number(run.Sum)} of {Screen.Count(whole.Count, "summand")}, metric {Screen.Number(run.Value)}: "
            + $"miss {Screen.Number(run.Miss)}";
    }

    private JsonObject Json(LensReading reading) => new()
    {
        ["site"] = reading.Site,
        ["depth"] = reading.Depth,
        ["position"] = reading.Position,
        ["value"] = reading.Value,
        ["tokens"] = new JsonArray([.. reading.Tokens.Select(t => new JsonObject
        {
            ["token"] = text(t.Token),
            ["id"] = t.Token,
            ["logit"] = t.Logit,
            ["probability"] = t.Probability,
        })]),
    };

    private static JsonObject Json(LensSummand s) => new()
    {
        ["kind"] = LensTables.NameOf(s.Kind),
        ["name"] = s.Name,
        ["of"] = s.Of,
        ["activation"] = float.IsFinite(s.Activation) ? s.Activation : null,
        ["value"] = s.Value,
    };
}
