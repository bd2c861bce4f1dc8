using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>validate</c> prints of one run.</summary>
/// <param name="facts">run.json, <c>validation</c> in it.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class ValidationReport(JsonObject facts, string directory, double seconds)
{
    private static readonly string[] s_figures = [.. ValidationTable.Columns.Select(c => "#" + c)];

    private readonly JsonObject _validation = facts["validation"]!.AsObject();
    private readonly ValidationTable _table = ValidationTable.Of(facts)!;

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
        output.WriteLine($"validated {_table.Words}");
        console.Show(AgreementTable(), mayDrop: 4);
        if (_validation["compared"] is JsonArray compared) console.Show(ComparedTable(compared), mayDrop: 4);
        if (((JsonArray)_validation["by_site_pair"]!).Count > 0) console.Show(PairTable(), mayDrop: 4);
        if (((JsonArray)_validation["worst_nodes"]!).Count + ((JsonArray)_validation["worst_edges"]!).Count > 0)
        {
            console.Show(WorstTable(), mayDrop: 1);
        }
        console.Write(ConservationTable());
        if (_validation["conservation"]!["patch_minus_clean"] is { } difference)
        {
            output.WriteLine($"patch run's metric minus the clean run's: {Screen.Number((double)difference)}");
        }
        if (_validation["unmatched_nodes"] is { } unmatched)
        {
            output.WriteLine($"{(int)unmatched:N0} nodes are active only in the run or only in its repetition, "
                + "at their thresholds; they are not checked");
        }
    }

    private Table AgreementTable()
    {
        var table = Screen.Table("Approximate against exact", ["", .. s_figures]);
        foreach (var (name, figures) in _table.Rows) table.AddRow([name, .. figures]);
        return table;
    }

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
        foreach (var p in _validation["by_site_pair"]!.AsArray())
        {
            Row(table, Short((string)p!["up_site"]!), p, Short((string)p["down_site"]!));
        }
        return table;
    }

    private Table WorstTable()
    {
        var table = Screen.Table("Farthest off", "upstream", "downstream", "#approximate", "#exact", "stratum");
        foreach (var of in (string[])["worst_nodes", "worst_edges"])
        {
            foreach (var c in _validation[of]!.AsArray())
            {
                table.AddRow(Label(c!["up"]!), c["down"] is { } down ? Label(down) : "", Screen.Number((double)c["approx_effect"]!),
                    Screen.Number((double)c["exact_effect"]!), (string)c["stratum"]!);
            }
        }
        return table;
    }

    private Table ConservationTable()
    {
        var table = Screen.Table("Whole sites", "site", "#sum of effects", "#exact, moved at once", "#errors' share");
        foreach (var c in _validation["conservation"]!["sites"]!.AsArray())
        {
            table.AddRow(Short((string)c!["site"]!), Number(c, "sum_of_effects"), Number(c, "exact"),
                Screen.Percent(ValidationTable.Value(c, "error_share")));
        }
        return table;
    }

    private static void Row(Table table, string name, JsonNode figures, string second) =>
        table.AddRow([name, second, .. ValidationTable.Figures(figures)]);

    /// <summary>Of a run's nodes or edges.</summary>
    /// <param name="run">run.json, <c>validation</c> in it.</param>
    public static string Pearson(JsonObject run, string of) =>
        NumberText.Correlation(ValidationTable.Value(run["validation"]![of]!, "pearson"));

    private static string Number(JsonNode of, string name) => Screen.Number(ValidationTable.Value(of, name));

    private string Label(JsonNode node) => node is JsonValue ? (string)node!
        : GraphReport.Label(new CausalNode(Site.Parse((string)node["site"]!), (int)node["position"]!, (int)node["feature"]!, 0, 0, 0, 0),
            TokenAt);

    private string TokenAt(int position) => (string)facts["token_strings"]!.AsArray()[position]!;

    private static string Short(string site) =>
        site == Store.RunDirectory.MetricSite ? site : site.Replace("blocks.", "").Replace("hook_", "");
}
