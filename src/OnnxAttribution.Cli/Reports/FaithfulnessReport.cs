using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>ablate --faithfulness</c> prints: a curve per ablation and error rule, over the prompts.</summary>
internal sealed class FaithfulnessReport(FaithfulnessRun run, int calls, double seconds)
{
    private readonly FileInfo _file = new(Path.Combine(run.Directory, FaithfulnessRow.Table + ".parquet"));
    private readonly int _controls = run.Request.Curve.Controls;

    public JsonObject ToJson()
    {
        var summary = RunJson.ToObject(run.Summary());
        summary["run"] = run.Directory;
        summary["file"] = _file.FullName;
        summary["bytes"] = _file.Length;
        summary["seconds_in_all"] = seconds;
        return summary;
    }

    public void Print(TextWriter output)
    {
        output.WriteLine($"{Prompts(run.Prompts.Count)}, metric {Metric.NameOf(run.Metric)}: full is m(M), the model as it is; "
            + "empty is m(∅), every node ablated");
        if (run.MeanPositions > 0) output.WriteLine($"means over {run.MeanPositions:N0} tokens of {run.Request.MeanText}");
        foreach (var curve in run.Means.GroupBy(m => (m.Ablation, m.Errors)))
        {
            Screen.On(output).Show(CurveTable(curve.Key, curve), mayDrop: _controls > 0 ? 1 : 0);
            PrintEnds(curve.Key, output);
        }
        if (_controls > 0)
        {
            output.WriteLine(
                $"random: {Screen.Count(_controls, "random circuit")} of equal size{(_controls > 1 ? ", mean ± standard deviation" : "")}");
        }
        output.WriteLine($"wrote {_file.FullName.Replace(Path.GetFullPath(run.Directory), run.Directory)} "
            + $"({Screen.Bytes(_file.Length)}) and its summary into run.json");
        output.WriteLine($"time {seconds:0.00} s, {calls} runtime calls");
    }

    private Table CurveTable((AblationKind Ablation, ErrorRule Errors) rules, IEnumerable<FaithfulnessMean> curve)
    {
        string[] columns = _controls > 0
            ? ["#nodes", "#share", "#faithfulness", "#random", "#completeness", "#random"]
            : ["#nodes", "#share", "#faithfulness", "#completeness"];
        var table = Screen.Table(Title(rules.Ablation, rules.Errors), columns);
        foreach (var m in curve)
        {
            var (nodes, share) = ($"{m.Nodes:N0}", Screen.Percent(m.Of == 0 ? double.NaN : (double)m.Nodes / m.Of));
            if (_controls > 0)
            {
                table.AddRow(nodes, share, Ratio(m.Faithfulness), Spread(m.Random), Ratio(m.Completeness), Spread(m.RandomCompleteness));
            }
            else
            {
                table.AddRow(nodes, share, Ratio(m.Faithfulness), Ratio(m.Completeness));
            }
        }
        return table;
    }

    // m(M) and m(∅), and the prompts that have no curve between them
    private void PrintEnds((AblationKind, ErrorRule) rules, TextWriter output)
    {
        var points = run.Prompts.SelectMany(p => p.Points).Where(p => (p.Ablation, p.Errors) == rules).ToList();
        var (full, empty) = (points.Average(p => p.Full), points.Average(p => p.Empty));
        output.WriteLine(
            $"full {Screen.Number(full)}, empty {Screen.Number(empty)}{(run.Prompts.Count > 1 ? " (means over the prompts)" : "")}");
        var undefined = run.Prompts.Count(p => p.Points.Any(q => (q.Ablation, q.Errors) == rules && double.IsNaN(q.Faithfulness)));
        if (undefined > 0)
        {
            output.WriteLine($"{Prompts(undefined)} of {run.Prompts.Count} left out: "
                + "ablating everything does not change the metric there, so there is nothing to share out (NULL)");
        }
    }

    private static string Title(AblationKind kind, ErrorRule rule)
    {
        var ablated = kind switch
        {
            AblationKind.Zero => "set to 0",
            AblationKind.Mean => "set to their means",
            _ => "set to the patch run's"
        };
        var errors = rule switch { ErrorRule.Keep => "errors kept", ErrorRule.Remove => "errors ablated", _ => "errors are nodes" };
        return $"Nodes outside the circuit {ablated}, {errors}";
    }

    private static string Prompts(int count) => Screen.Count(count, "prompt");

    private static string Ratio(double value) => double.IsNaN(value) ? "–" : (Math.Round(value, 3) + 0.0).ToString("0.000");   // no -0

    private static string Spread((double Mean, double Spread) value) =>
        double.IsNaN(value.Mean) ? "–" : double.IsNaN(value.Spread) ? Ratio(value.Mean) : $"{Ratio(value.Mean)} ± {value.Spread:0.000}";
}
