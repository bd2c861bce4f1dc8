using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Runs;
using Spectre.Console;

namespace OnnxAttribution.Cli;

/// <summary>What <c>validate</c> prints of one run.</summary>
/// <param name="facts">run.json, <c>validation</c> in it.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class ValidationReport(JsonObject facts, string directory, double seconds)
{
    private static readonly string[] s_figures = ["#checked", "#Pearson", "#Spearman", "#sign", "#slope", "#median error", "#top recall"];

    private readonly JsonObject _validation = facts["validation"]!.AsObject();

    public JsonObject ToJson() => new() { ["run"] = directory, ["validation"] = _validation.DeepClone(), ["seconds_in_all"] = seconds };

    public void Print(TextWriter output)
    {
        PrintTables(output);
        output.WriteLine($"wrote {Path.Combine(directory, "validation.parquet")} and 'validation' in run.json");
        output.WriteLine($"time {seconds:0.00} s, {(int)_validation["runtime_calls"]!} runtime calls");
    }

    /// <summary>All but what was written and how long it took.</summary>
    public void PrintTables(TextWriter output)
    {
        var console = Screen.On(output);
        output.WriteLine($"validated {(string)facts["options"]!["method"]!} with estimator {(string)facts["options"]!["estimator"]!} against real interventions: "
            + $"{Count("nodes", "node")}, {Count("edges", "edge")}{(_validation["sample"] is null ? " (all)" : $" (sampled, seed {(int)_validation["seed"]!})")}");
        console.Show(AgreementTable(), mayDrop: 4);
        if (_validation["compared"] is JsonArray compared) console.Show(ComparedTable(compared), mayDrop: 4);
        if (((JsonArray)_validation["by_site_pair"]!).Count > 0) console.Show(PairTable(), mayDrop: 4);
        if (((JsonArray)_validation["worst_nodes"]!).Count + ((JsonArray)_validation["worst_edges"]!).Count > 0) console.Show(WorstTable(), mayDrop: 1);
        console.Write(ConservationTable());
        if (_validation["conservation"]!["patch_minus_clean"] is { } difference) output.WriteLine($"patch run's metric minus the clean run's: {Screen.Number((double)difference)}");
        if (_validation["unmatched_nodes"] is { } unmatched)
            output.WriteLine($"{(int)unmatched:N0} nodes are active only in the run or only in its repetition, at their thresholds; they are not checked");
    }

    private string Count(string of, string noun) => Screen.Count((int)_validation[of]!["count"]!, noun);

    private Table AgreementTable()
    {
        var table = Screen.Table("Approximate against exact", ["", .. s_figures]);
        Row(table, "all nodes", _validation["nodes"]!);
        foreach (var k in _validation["by_kind"]!.AsArray()) Row(table, $"  {(string)k!["kind"]!} {((bool)k["error"]! ? "errors" : "features")}", k);
        foreach (var s in Strata("node")) Row(table, $"  {(string)s["stratum"]!}", s);
        Row(table, "all edges", _validation["edges"]!);
        foreach (var s in Strata("edge")) Row(table, $"  {(string)s["stratum"]!}", s);
        Row(table, "downstream activations", _validation["changes"]!);
        return table;
    }

    private IEnumerable<JsonNode> Strata(string check) => _validation["by_stratum"]!.AsArray().Where(s => (string)s!["check"]! == check && (string)s["stratum"]! != "all")!;

    private static Table ComparedTable(JsonArray compared)
    {
        var table = Screen.Table("Estimators against the same exact effects", ["estimator", "", .. s_figures]);
        foreach (var (of, label) in ((string, string)[])[("nodes", "nodes"), ("edges", "edges"), ("changes", "downstream activations")])
        {
            foreach (var c in compared) Row(table, (string)c!["estimator"]!, c[of]!, label);
        }
        return table;
    }

    private Table PairTable()
    {
        var table = Screen.Table("Edges by pair of sites", ["upstream", "downstream", .. s_figures]);
        foreach (var p in _validation["by_site_pair"]!.AsArray()) Row(table, Short((string)p!["up_site"]!), p, Short((string)p["down_site"]!));
        return table;
    }

    private Table WorstTable()
    {
        var table = Screen.Table("Farthest off", "upstream", "downstream", "#approximate", "#exact", "stratum");
        foreach (var of in (string[])["worst_nodes", "worst_edges"])
        {
            foreach (var c in _validation[of]!.AsArray())
            {
                table.AddRow(Label(c!["up"]!), c["down"] is { } down ? Label(down) : "", Screen.Number((double)c["approx_effect"]!), Screen.Number((double)c["exact_effect"]!), (string)c["stratum"]!);
            }
        }
        return table;
    }

    private Table ConservationTable()
    {
        var table = Screen.Table("Whole sites", "site", "#sum of effects", "#exact, moved at once", "#errors' share");
        foreach (var c in _validation["conservation"]!["sites"]!.AsArray()) table.AddRow(Short((string)c!["site"]!), Number(c, "sum_of_effects"), Number(c, "exact"), Screen.Percent(Value(c, "error_share")));
        return table;
    }

    private static void Row(Table table, string name, JsonNode figures, string? second = null)
    {
        string[] cells = [$"{(int)figures["count"]!:N0}", .. ((string[])["pearson", "spearman"]).Select(f => Correlation(Value(figures, f))), Screen.Percent(Value(figures, "sign_agreement")),
            Number(figures, "slope"), Screen.Percent(Value(figures, "median_relative_error")), $"{Screen.Percent(Value(figures, "top_recall"))} of {(int)figures["top"]!:N0}"];
        table.AddRow(second is null ? [name, .. cells] : [name, second, .. cells]);
    }

    // four places, and never 1 for what is not
    private static string Correlation(double value) => double.IsNaN(value) ? "–" : (Math.Truncate(value * 1e4) / 1e4).ToString("0.0000");

    /// <summary>Of a run's nodes or edges.</summary>
    /// <param name="run">run.json, <c>validation</c> in it.</param>
    public static string Pearson(JsonObject run, string of) => Correlation(Value(run["validation"]![of]!, "pearson"));

    private static double Value(JsonNode of, string name) => of[name] is { } v ? (double)v : double.NaN;

    private static string Number(JsonNode of, string name) => Screen.Number(Value(of, name));

    private string Label(JsonNode node) => node is JsonValue ? (string)node!
        : GraphReport.Label(new CausalNode(Site.Parse((string)node["site"]!), (int)node["position"]!, (int)node["feature"]!, 0, 0, 0, 0), TokenAt);

    private string TokenAt(int position) => (string)facts["token_strings"]!.AsArray()[position]!;

    private static string Short(string site) => site == Store.RunDirectory.MetricSite ? site : site.Replace("blocks.", "").Replace("hook_", "");
}
