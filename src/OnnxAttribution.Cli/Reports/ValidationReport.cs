using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>validate</c> prints of one run.</summary>
/// <param name="run">run.json, <c>validation</c> in it.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class ValidationReport(GraphRunRecord run, string directory, double seconds)
{
    private static readonly string[] s_figures = [.. ValidationTable.Columns.Select(c => "#" + c)];

    private readonly ValidationRecord _validation = run.Validation!;
    private readonly ValidationTable _table = ValidationTable.Of(run)!;
    private readonly RunLabels _labels = RunLabels.Of(directory, run);

    public JsonObject ToJson() =>
        new() { ["run"] = directory, ["validation"] = RunJson.ToObject(_validation), ["seconds_in_all"] = seconds };

    public void Print(TextWriter output)
    {
        PrintTables(output);
        output.WriteLine($"wrote {Path.Combine(directory, "validation.parquet")} and 'validation' in run.json");
        output.WriteLine($"time {seconds:0.00} s, {_validation.RuntimeCalls} runtime calls");
    }

    /// <summary>All but what was written and how long it took.</summary>
    public void PrintTables(TextWriter output)
    {
        var console = Screen.On(output);
        output.WriteLine($"validated {_table.Words}");
        console.Show(AgreementTable(), mayDrop: 4);
        if (_validation.Compared is { } compared) console.Show(ComparedTable(compared), mayDrop: 4);
        var inReplacement = Real is null ? "" : " in the replacement model";
        if (_validation.CostRecall is { } costs) console.Show(CostTable(costs, inReplacement), mayDrop: 2);
        if (Real?.CostRecall is { } real) console.Show(CostTable(real, " in the real model"), mayDrop: 2);
        if (Pairs.Count > 0) console.Show(PairTable(), mayDrop: 4);
        if (WorstTable() is { Rows.Count: > 0 } worst) console.Show(worst, mayDrop: 1);
        console.Write(ConservationTable());
        if (_validation.Conservation?.PatchMinusClean is { } difference)
        {
            output.WriteLine($"patch run's metric minus the clean run's: {Screen.Number(difference)}");
        }
        if (_validation.UnmatchedNodes is { } unmatched)
        {
            output.WriteLine($"{unmatched:N0} nodes are active only in the run or only in its repetition, "
                + "at their thresholds; they are not checked");
        }
    }

    private Table AgreementTable()
    {
        var table = Screen.Table("Approximate against exact", ["", .. s_figures]);
        foreach (var (name, figures) in _table.Rows) table.AddRow([name, .. figures]);
        return table;
    }

    private Table ComparedTable(IReadOnlyList<EstimatorAgreementRecord> compared)
    {
        var table = Screen.Table("Estimators against the same exact effects", ["estimator", "", .. s_figures]);
        var model = Real is null ? "" : ", replacement model";
        foreach (var c in compared) Row(table, c.Estimator, c.Nodes, "nodes" + model);
        foreach (var c in compared) Row(table, c.Estimator, c.Edges, "edges" + model);
        foreach (var c in compared) Row(table, c.Estimator, c.Changes, "downstream activations" + model);
        foreach (var c in Real?.Compared ?? []) Row(table, c.Estimator, c.Nodes, "nodes, real model");
        return table;
    }

    // the order of the estimates decides what is patched next
    private static Table CostTable(IReadOnlyList<CostRecallRecord> costs, string model)
    {
        var table = Screen.Table(CostRecallTable.Title(costs, model), [.. CostRecallTable.Columns.Select((c, i) => i == 0 ? c : "#" + c)]);
        foreach (var row in CostRecallTable.Rows(costs)) table.AddRow([.. row]);
        return table;
    }

    private Table PairTable()
    {
        var model = Real is null ? "" : ", in the replacement model";
        var table = Screen.Table($"Edges by pair of sites{model}", ["upstream", "downstream", .. s_figures]);
        foreach (var p in Pairs) Row(table, Short(p.UpSite), p, Short(p.DownSite));
        return table;
    }

    private Table WorstTable()
    {
        string[] In(string model) => Real is null ? [] : [model];
        var table = Screen.Table("Farthest off", ["upstream", "downstream", "#approximate", "#exact", "stratum", .. In("model")]);
        AddNodes(_validation.WorstNodes, In("replacement"));
        foreach (var c in (_validation.WorstEdges ?? []).Where(c => IsOff(c.ApproxEffect, c.ExactEffect)))
        {
            table.AddRow([Label(c.Up), Label(c.Down), Number(c.ApproxEffect), Number(c.ExactEffect), c.Stratum ?? "",
                .. In("replacement")]);
        }
        AddNodes(Real?.WorstNodes, In("real"));
        return table;

        void AddNodes(IReadOnlyList<NodeCheckRecord>? nodes, string[] model)
        {
            foreach (var c in (nodes ?? []).Where(c => IsOff(c.ApproxEffect, c.ExactEffect)))
            {
                table.AddRow([Label(c.Up), "", Number(c.ApproxEffect), Number(c.ExactEffect), c.Stratum ?? "", .. model]);
            }
        }
    }

    // what was measured for the run is off by rounding, which is nothing to show
    private static bool IsOff(double? approximate, double? exact) =>
        !(approximate is { } a && exact is { } e && Math.Abs(a - e) <= 1e-3 * Math.Abs(e));

    private Table ConservationTable()
    {
        string[] exact = Real is null ? ["#exact, moved at once"] : ["#exact, replacement model", "#exact, real model"];
        var table = Screen.Table("Whole sites", ["site", "#sum of effects", .. exact, "#errors' share"]);
        var sites = _validation.Conservation?.Sites ?? [];
        for (var i = 0; i < sites.Count; i++)
        {
            string[] real = Real is null ? [] : [Number(Real.Conservation.Sites[i].Exact)];
            table.AddRow([Short(sites[i].Site), Number(sites[i].SumOfEffects), Number(sites[i].Exact), .. real,
                Screen.Percent(sites[i].ErrorShare ?? double.NaN)]);
        }
        return table;
    }

    // of a graph of transcoders: the same nodes moved in the model itself
    private RealModelRecord? Real => _validation.InRealModel;

    private IReadOnlyList<SitePairAgreementRecord> Pairs => _validation.BySitePair ?? [];

    private static void Row(Table table, string name, AgreementRecord figures, string second) =>
        table.AddRow([name, second, .. ValidationTable.Figures(figures)]);

    private static string Number(double? value) => Screen.Number(value ?? double.NaN);

    private string Label(NodeRecord node) => node.Site == RunNames.MetricSite ? node.Site
        : NodeLabel.Of(new CausalNode(Site.Parse(node.Site), node.Position, node.Feature, 0, 0, 0, 0),
            at => run.TokenStrings?.ElementAtOrDefault(at), _labels);

    private static string Short(string site) =>
        site == RunNames.MetricSite ? site : site.Replace("blocks.", "").Replace("hook_", "");
}
