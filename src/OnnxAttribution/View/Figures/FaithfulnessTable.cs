using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>A run's faithfulness.parquet as means over its prompts.</summary>
/// <param name="Controls">Random circuits of each size.</param>
/// <param name="Unknown">Ratios that are NULL.</param>
internal sealed record FaithfulnessTable(string Title, string Subtitle, IReadOnlyList<FaithfulnessCurveMean> Curves,
    int Controls, int Unknown)
{
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static FaithfulnessTable Read(string run, CancellationToken cancel)
    {
        var rows = RunDirectory.ReadRows<FaithfulnessRow>(run, cancel);
        if (rows.Count == 0) throw FigureException.NoRows(RunDirectory.TableFile(run, FaithfulnessRow.Table), "rows");
        var header = new PictureHeader(RunDirectory.ReadRecord(run));
        var controls = rows.Where(r => r.Control is not null).Select(r => r.Control).Distinct().Count();
        var prompts = rows.Select(r => r.PromptId).Distinct().Count();
        var subtitle = (prompts == 1 ? "one prompt" : $"mean over {NumberText.Count(prompts, "prompt")}")
            + (controls > 0 ? $"  ·  {NumberText.Count(controls, "random circuit")} of each size" : "")
            + (header.Model.Length > 0 ? $"  ·  {header.Model}" : "");
        var curves = rows.GroupBy(r => (r.Ablation, r.Errors))
            .Select(g =>
                new FaithfulnessCurveMean(g.Key.Ablation, g.Key.Errors, [.. g.GroupBy(r => r.Nodes).OrderBy(s => s.Key).Select(Size)]))
            .ToList();
        return new FaithfulnessTable(header.Title, subtitle, curves, controls,
            rows.Sum(r => (double.IsFinite(r.Faithfulness) ? 0 : 1) + (double.IsFinite(r.Completeness) ? 0 : 1)));
    }

    private static FaithfulnessSize Size(IGrouping<int, FaithfulnessRow> rows)
    {
        var top = rows.Where(r => r.Control is null).ToList();
        return new FaithfulnessSize(rows.Key, Mean(top.Select(r => r.Faithfulness)), Mean(top.Select(r => r.Completeness)),
            Spread(rows, r => r.Faithfulness), Spread(rows, r => r.Completeness));
    }

    private static (double, double, double) Spread(IEnumerable<FaithfulnessRow> rows, Func<FaithfulnessRow, double> of)
    {
        double[] circuits =
            [.. rows.Where(r => r.Control is not null).GroupBy(r => r.Control).Select(c => Mean(c.Select(of))).Where(double.IsFinite)];
        var mean = Mean(circuits);
        var deviation = circuits.Length < 2 ? double.NaN : Math.Sqrt(circuits.Sum(c => (c - mean) * (c - mean)) / (circuits.Length - 1));
        return (mean, mean - deviation, mean + deviation);
    }

    private static double Mean(IEnumerable<double> values) => values.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();
}

/// <summary>One curve, a mean over prompts.</summary>
/// <param name="Points">By ascending size.</param>
internal sealed record FaithfulnessCurveMean(string Ablation, string Errors, IReadOnlyList<FaithfulnessSize> Points)
{
    /// <summary>What happens to what is outside the circuit, and to errors.</summary>
    public string Title =>
        $"{Ablation switch { "zero" => "set to 0", "mean" => "set to the mean", "patch" => "patched", _ => Ablation }}, "
        + $"{Errors switch { "keep" => "errors kept", "remove" => "errors ablated", "nodes" => "errors are nodes", _ => Errors }}";
}

/// <summary>A size of a circuit, on a curve. NaN: no prompt has a number.</summary>
/// <param name="Random">Of random circuits: the mean over them of their means over prompts,
/// and a standard deviation (over circuits) below and above.</param>
internal readonly record struct FaithfulnessSize(int Nodes, double Faithfulness, double Completeness,
    (double Mean, double Low, double High) Random, (double Mean, double Low, double High) RandomCompleteness);
