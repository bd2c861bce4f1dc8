using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>ablate --circuit</c> prints: per prompt the next tokens, those most moved, and the same for control circuits.</summary>
/// <param name="file">The Parquet file that was written; null: none.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class CircuitReport(CircuitRun run, LoadedModel model, CircuitSource source, string? file, double seconds)
{
    private const int Top = 10, Moved = 8, ShownNodes = 12;

    private readonly RunLabels _labels = RunLabels.OfBundle(model.Bundle.Directory, model.BundleHash);
    private readonly GroupTable _groups = new(run);

    public void Print(TextWriter output)
    {
        output.WriteLine($"circuit  {Circuit()}");
        if (run.Taken is not null)
        {
            var hasPatch = (source.Run as PromptRunRecord)?.PatchTokens is not null;
            var butFor = _groups.IsEmpty ? "" : " but for groups";
            output.WriteLine($"run      {RunPath}: its {run.Taken}"
                + (hasPatch ? $"; its patch prompt has no part{butFor}, as activations are scaled" : ""));
        }
        if (WithoutGroups is { } note) output.WriteLine($"note     {note}");
        foreach (var prompt in run.Prompts) Print(output, prompt);
        if (!_groups.IsEmpty && _groups.Mean() is { } mean) Screen.On(output).Write(mean);
        if (file is not null) output.WriteLine($"wrote {file} ({Screen.Bytes(new FileInfo(file).Length)})");
        output.WriteLine($"time {seconds:0.00} s for {Screen.Count(run.Prompts.Count, "prompt")}, {model.Context.Calls} runtime calls");
    }

    public JsonObject ToJson() => new()
    {
        ["model"] = model.Name,
        ["circuit"] = new JsonArray([.. Counted.Select(n => new JsonObject
        {
            ["site"] = n.Site.Name,
            ["position"] = n.Position,
            ["feature"] = n.Feature,
            ["value"] = n.Value,
        })]),
        ["run"] = RunPath,
        ["run_finished_at"] = source.Subgraph is null ? null : source.Run?.FinishedAt,
        ["taken_from_run"] = run.Taken,
        ["keep"] = run.Options.Keep,
        ["coefficient"] = run.Options.Coefficient,
        ["controls"] = run.Options.Controls,
        ["seed"] = run.Options.Seed,
        ["metric"] = Metric.NameOf(run.Options.Metric.Kind),
        ["groups"] = _groups.IsEmpty ? null : _groups.ToJson(),
        ["note"] = WithoutGroups,
        ["prompts"] = new JsonArray([.. run.Prompts.Select(ToJson)]),
        ["file"] = file,
        ["seconds_in_all"] = seconds,
    };

    private void Print(TextWriter output, CircuitPrompt prompt)
    {
        var r = prompt.Result;
        var console = Screen.On(output);
        output.WriteLine();
        if (prompt.Task.Id is { } id) output.WriteLine($"id       {id}");
        output.WriteLine($"prompt   {string.Join("  ", prompt.Tokens.Clean.Select((t, i) => $"{i} {Quoted(t)}"))}");
        output.WriteLine($"metric   {Name(r.Metric)} after position {r.Metric.Position}: "
            + $"clean {Screen.Number(r.CleanMetric)}, {Done} {Screen.Number(r.AblatedMetric)}{Controls(r)}");
        if (run.Circuit.SetsValues)
        {
            output.WriteLine($"active   {r.ActiveSize:N0} of {Screen.Count(r.Size, "feature")} in the clean run");
        }
        else if (r.ActiveSize < r.Size)
        {
            output.WriteLine($"active   {(r.ActiveSize == 0 ? "none" : $"{r.ActiveSize:N0}")} of the circuit's "
                + $"{Screen.Count(r.Size, Counted.Any(n => n.IsError) ? "node" : "feature")} on this "
                + $"prompt{(r.ActiveSize == 0 ? $", so there is nothing to {(run.Options.Keep ? "keep" : "ablate")}" : "")}");
        }
        if (!_groups.IsEmpty) console.Write(_groups.Of(prompt));
        var top = Screen.Table("Next token", "#", "clean", "#probability", Done, "#probability");
        foreach (var (i, (before, after)) in CircuitAblation.Top(r.Clean, Top).Zip(CircuitAblation.Top(r.Ablated, Top)).Index())
        {
            top.AddRow($"{i + 1}", Quoted(before), Screen.Percent(r.Clean[before]), Quoted(after), Screen.Percent(r.Ablated[after]));
        }
        console.Write(top);
        console.Write(Shifts("Most moved by the circuit", r, r.Ablated));
        if (r.Control.Length > 0)
        {
            console.Write(Shifts($"Most moved by controls (mean of {r.ControlMetrics.Count} random circuits)", r, r.Control));
        }
        var largest = r.Clean.Zip(r.FeatureZero, (a, b) => Math.Abs(a - b)).Max();
        if (largest > 1e-6) console.Write(Shifts($"Most moved by the control of {FirstFeatures}", r, r.FeatureZero));
        else output.WriteLine($"control  {FirstFeatures} at the same places: that changes nothing");
    }

    private Table Shifts(string title, CircuitAblation r, double[] after)
    {
        var table = Screen.Table(title, "token", "#clean", "#then", "#change, points", "#of the former");
        foreach (var up in (bool[])[true, false])
        {
            foreach (var s in (up ? r.MostRisen(after, Moved) : r.MostFallen(after, Moved)))
            {
                table.AddRow(Quoted(s.Token), Screen.Percent(s.Clean), Screen.Percent(s.Ablated), Signed(s.Change * 100),
                    $"{Signed(s.Relative * 100)} %");
            }
            if (up) table.AddEmptyRow();
        }
        return table;
    }

    // of a subgraph.json not the file
    private string? RunPath => source.Run is null ? null : source.Subgraph is null ? source.Path : source.RunPath;

    // a group alone is what is taken away, and --keep takes away the rest
    private string? WithoutGroups => source.Subgraph is null || !run.Options.Keep ? null
        : $"groups of {source.Path} are not measured with --keep; leave it out to have each taken away alone";

    // errors stay unless they were listed, and whenever all but the circuit is ablated
    private IEnumerable<CircuitNode> Counted =>
        run.Options is { MovesErrors: true, Keep: false } ? run.Circuit.Nodes : run.Circuit.Features;

    // as many at each place as the circuit has there
    private string FirstFeatures => ControlCircuits.MostFirst(run.Circuit) is > 1 and var most
        ? $"features 0 to {most - 1}" : "features 0";

    private string First => FirstFeatures == "features 0" ? "feature 0" : "first features";

    private string Done => run.Circuit.SetsValues ? "features set" : run.Options.Keep ? "circuit kept"
        : run.Options.Coefficient == 0 ? "circuit ablated" : "circuit scaled";

    private string Circuit()
    {
        var nodes = Counted.ToList();
        var errors = run.Circuit.Nodes.Count - nodes.Count;
        var some = string.Join("; ", nodes.Take(ShownNodes).Select(Label)) + (nodes.Count > ShownNodes ? "; …" : "");
        var sites = nodes.Select(n => n.Site).Distinct().Count();
        var what = $"{Screen.Count(nodes.Count, nodes.Any(n => n.IsError) ? "node" : "feature")} at {Screen.Count(sites, "site")} ({some})";
        var stay = errors == 0 ? ""
            : $"; its {Screen.Count(errors, "error node")} stay{(errors == 1 ? "s as it is" : " as they are")}";
        var rest = nodes.Exists(n => n.Value is null) ? $": activations × {Screen.Number(run.Options.Coefficient)}" : "";
        return $"{(run.Options.Keep ? "all but " : "")}{what}{rest}{stay}";
    }

    private string Controls(CircuitAblation r)
    {
        if (r.ControlMetrics.Count == 0) return $", {First} {Screen.Number(r.FeatureZeroMetric)}";
        var few = r.ControlSizes.Min() < r.Size
            ? $"; of {Screen.Count(r.ControlSizes.Min(), "feature")} only, as no others are active at these places"
            : "";
        return $", controls {Screen.Number(r.ControlMetrics.Average())} ({Screen.Number(r.ControlMetrics.Min())} to "
            + $"{Screen.Number(r.ControlMetrics.Max())}{few}), {First} {Screen.Number(r.FeatureZeroMetric)}";
    }

    private string Name(Metric metric) => metric.Kind switch
    {
        MetricKind.Kl => "kl",
        MetricKind.LogitDiff => $"logit-diff of {Quoted(metric.Target)} over {Quoted(metric.Foil)}",
        _ => $"{Metric.NameOf(metric.Kind)} of {Quoted(metric.Target)}",
    };

    private JsonObject ToJson(CircuitPrompt prompt)
    {
        var r = prompt.Result;
        return new JsonObject
        {
            ["id"] = prompt.Task.Id,
            ["prompt"] = prompt.Task.Prompt,
            ["tokens"] = new JsonArray([.. prompt.Tokens.Clean.Select(t => (JsonNode)t)]),
            ["position"] = r.Metric.Position,
            ["target"] = r.Metric.Kind == MetricKind.Kl ? null : model.TokenText(r.Metric.Target),
            ["foil"] = r.Metric.Kind == MetricKind.LogitDiff ? model.TokenText(r.Metric.Foil) : null,
            ["clean_metric"] = r.CleanMetric,
            ["ablated_metric"] = r.AblatedMetric,
            ["size"] = r.Size,
            ["active_size"] = r.ActiveSize,
            ["feature_zero_metric"] = r.FeatureZeroMetric,
            ["control_metrics"] = new JsonArray([.. r.ControlMetrics.Select(m => (JsonNode)m)]),
            ["control_sizes"] = new JsonArray([.. r.ControlSizes.Select(m => (JsonNode)m)]),
            ["groups"] = _groups.IsEmpty ? null : _groups.ToJson(prompt),
            ["top_clean"] = Tokens(CircuitAblation.Top(r.Clean, Top), r.Clean),
            ["top_ablated"] = Tokens(CircuitAblation.Top(r.Ablated, Top), r.Ablated),
            ["circuit"] = Shifts(r, r.Ablated),
            ["random"] = Shifts(r, r.Control),
            ["feature_zero"] = Shifts(r, r.FeatureZero),
        };
    }

    private JsonArray Tokens(IEnumerable<int> tokens, double[] probabilities) =>
        [.. tokens.Select(JsonNode (t) => new JsonObject
        {
            ["id"] = t,
            ["token"] = model.TokenText(t),
            ["probability"] = probabilities[t]
        })];

    private JsonObject Shifts(CircuitAblation r, double[] after)
    {
        JsonArray Side(bool up) => [.. (up ? r.MostRisen(after, Moved) : r.MostFallen(after, Moved)).Select(JsonNode (s) => new JsonObject
        {
            ["id"] = s.Token,
            ["token"] = model.TokenText(s.Token),
            ["clean"] = s.Clean,
            ["then"] = s.Ablated,
            ["change"] = s.Change,
            ["relative_change"] = double.IsFinite(s.Relative) ? s.Relative : null,
        })];
        return new JsonObject { ["up"] = Side(true), ["down"] = Side(false) };
    }

    private string Quoted(int token) => DisplayText.Quoted(model.TokenText(token));

    private static string Signed(double value) => (value > 0 ? "+" : "") + Math.Abs(value) switch
    {
        >= 100 => ThreeDigits(value).ToString("N0"),   // of a former probability near 0 no more are known
        >= 0.01 => value.ToString("0.00"),
        _ => value.ToString("G2"),
    };

    private static double ThreeDigits(double value)
    {
        var unit = Math.Pow(10, Math.Floor(Math.Log10(Math.Abs(value))) - 2);
        return Math.Round(value / unit) * unit;
    }

    private string Label(CircuitNode n) =>
        $"{FeatureName.Of(n.Site, n.Feature, n.IsEverywhere ? null : n.Position)}"
            + $"{(n.Value is { } value ? $" = {Screen.Number(value)}" : "")}{_labels.Behind(n.Site.Name, n.Feature)}";
}
