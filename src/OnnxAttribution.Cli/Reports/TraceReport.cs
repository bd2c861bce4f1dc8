using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Lenses;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>lens --along</c> prints.</summary>
/// <param name="top">How many writers, heads and features are listed.</param>
internal sealed class TraceReport(TraceRun run, int top)
{
    private readonly TraceRecord _record = run.Record();

    private StreamTrace Trace => run.Trace;

    public JsonObject ToJson(string? place, double seconds)
    {
        var json = TraceDirectory.ToObject(_record);
        json["steps"] = new JsonArray([.. Trace.Steps.Select(s => new JsonObject
        {
            ["layer"] = s.Layer,
            ["position"] = s.Position,
            ["before"] = s.Before,
            ["attn"] = s.Attn,
            ["mlp"] = s.Mlp,
            ["after"] = s.After,
        })]);
        json["heads"] = new JsonArray([.. Strongest(Trace.Heads, h => h.Value).Select(h => new JsonObject
        {
            ["layer"] = h.Layer,
            ["head"] = h.Head,
            ["position"] = h.Position,
            ["value"] = h.Value,
        })]);
        json["features"] = new JsonArray([.. Trace.Features.Select(f => new JsonObject
        {
            ["site"] = f.Site,
            ["feature"] = f.Feature,
            ["cosine"] = f.Cosine,
            ["activations"] = new JsonArray([.. f.Activations.Select(a => (JsonNode?)a)]),
        })]);
        json["out"] = place;
        json["seconds"] = seconds;
        return json;
    }

    public void Print(TextWriter output, string? place, double seconds)
    {
        output.WriteLine($"prompt   {string.Join("  ", _record.TokenStrings.Select((t, i) => $"{i} {DisplayText.Quoted(t)}"))}");
        output.WriteLine($"along    {Words()}{(_record.Centred ? ", less its mean" : "")}, of unit length");
        var console = Screen.On(output);
        console.Write(Layers());
        if (top > 0)
        {
            console.Write(Writers());
            if (Trace.Heads.Count > 0) console.Write(Heads());
            if (Trace.Features.Count > 0) console.Write(Features());
        }
        output.WriteLine($"{Screen.Count(Trace.Features.Count, "feature")} with a cosine of {Screen.Number(_record.Cosine)} at least");
        output.WriteLine($"sums     h + attention + MLP is h behind the block at every position: miss {Screen.Number(Trace.Miss)}");
        if (place is not null)
        {
            var files = Directory.GetFiles(place, "*.parquet").Select(Path.GetFileName).Order(StringComparer.Ordinal);
            output.WriteLine($"wrote {place}: {string.Join(", ", files)}, trace.json");
        }
        output.WriteLine($"time {seconds:0.00} s");
    }

    private string Words() => _record switch
    {
        { Target: null } => $"the decoder row of {_record.Along}",
        { Foil: { } foil } => $"what the final stream has for {DisplayText.Quoted(_record.Target)} over {DisplayText.Quoted(foil)}",
        _ => $"what the final stream has for {DisplayText.Quoted(_record.Target)} over the vocabulary's mean",
    };

    private Table Layers()
    {
        var table = Screen.Table($"Along the direction at {Token(_record.Position)}", "#layer", "#before", "#attention", "#MLP", "#behind");
        foreach (var s in Trace.Steps.Where(s => s.Position == _record.Position))
        {
            table.AddRow($"{s.Layer}", Screen.Number(s.Before), Screen.Number(s.Attn), Screen.Number(s.Mlp), Screen.Number(s.After));
        }
        return table;
    }

    private Table Writers()
    {
        var table = Screen.Table("Written in (above 0) and scrubbed out", "sublayer", "position", "#adds");
        var writers = Trace.Steps.SelectMany(s =>
            ((string Name, TraceStep Step, double Value)[])[($"{s.Layer}.attn", s, s.Attn), ($"{s.Layer}.mlp", s, s.Mlp)]);
        foreach (var (name, step, value) in Strongest(writers, w => w.Value))
        {
            table.AddRow(name, Token(step.Position), Screen.Number(value));
        }
        return table;
    }

    private Table Heads()
    {
        var table = Screen.Table("Strongest heads", "head", "position", "#adds");
        foreach (var h in Strongest(Trace.Heads, h => h.Value))
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{h.Layer}.{(h.Head is { } head ? head : "attn bias")}");
            table.AddRow(name, Token(h.Position), Screen.Number(h.Value));
        }
        return table;
    }

    private Table Features()
    {
        var table = Screen.Table("Features along it", "feature", "#cosine", "#most active", "at");
        foreach (var f in Trace.Features.Take(top))
        {
            var most = Enumerable.Range(0, f.Activations.Count).MaxBy(p => f.Activations[p]);
            table.AddRow(FeatureName.Of(f.Site, f.Feature), Screen.Number(f.Cosine), Screen.Number(f.Activations[most]),
                f.Activations[most] > 0 ? Token(most) : "–");
        }
        return table;
    }

    private IEnumerable<T> Strongest<T>(IEnumerable<T> all, Func<T, double> value) =>
        all.OrderByDescending(x => Math.Abs(value(x))).Take(top);

    private string Token(int position) => $"{position} {DisplayText.Quoted(_record.TokenStrings[position])}";
}
