using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Curves;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>ablate --up</c> prints: the curve at one position as a table and a plot,
/// how straight it is, and where it bends.</summary>
/// <param name="position">Of the downstream feature.</param>
/// <param name="file">What was written; null where nothing was.</param>
/// <param name="labels">The model's.</param>
internal sealed class CurveReport(CurveRun run, int position, string? file, RunLabels labels, double seconds)
{
    private const int MostRows = 31, MostBends = 12;

    private readonly ResponseCurve _curve = run.Curve;
    private readonly List<Kink> _kinks = [.. run.Curve.Kinks.Where(b => b.Position == position)];

    public JsonObject ToJson()
    {
        var (difference, step) = _curve.LargestDifference(position);
        return new JsonObject
        {
            ["up"] = Json(_curve.Up),
            ["scaled"] = new JsonArray([.. ScaledAt().Select(p => new JsonObject
            {
                ["position"] = p,
                ["token"] = run.TextAt(p),
                ["activation"] = _curve.Scaled[p]
            })]),
            ["down"] = Json(_curve.Down),
            ["position"] = position,
            ["token"] = run.TextAt(position),
            ["clean_activation"] = _curve.Clean[position],
            ["slope"] = _curve.Slope[position],
            ["r_squared"] = Number(_curve.RSquared(position)),
            ["largest_difference"] = (float)difference,
            ["largest_difference_at"] = _curve.Coefficients[step],
            ["points"] = new JsonArray([.. Enumerable.Range(0, _curve.Coefficients.Count).Select(i => new JsonObject
            {
                ["coefficient"] = _curve.Coefficients[i],
                ["activation"] = _curve.Activation[i][position],
                ["line"] = (float)_curve.Line(i, position),
            })]),
            ["bends"] = new JsonArray([.. _kinks.Select(Json)]),
            ["file"] = file,
            ["runtime_calls"] = _curve.RuntimeCalls,
            ["seconds"] = seconds,
        };
    }

    public void Print(TextWriter output)
    {
        output.WriteLine($"prompt      {string.Join("  ", Enumerable.Range(0, _curve.Tokens.Count).Select(Token))}");
        output.WriteLine($"upstream    {Name(_curve.Up)}, scaled at "
            + $"{string.Join(", ", ScaledAt().Select(p => $"{Token(p)} ({Screen.Number(_curve.Scaled[p])})"))}");
        output.WriteLine($"downstream  {Name(_curve.Down)} at {Token(position)}: clean {Screen.Number(_curve.Clean[position])}, "
            + $"slope {Screen.Number(_curve.Slope[position])} per unit of the coefficient");
        Screen.On(output).Write(PointTable());
        output.WriteLine();
        foreach (var line in CurvePlot.Draw(_curve.Coefficients, Points(i => _curve.Activation[i][position]),
            Points(i => _curve.Line(i, position)), [.. _kinks.Select(b => Middle(b)).Distinct()]))
        {
            output.WriteLine(line);
        }
        output.WriteLine($"● activation   · the gradient's line{(_kinks.Count > 0 ? "   ^ bends" : "")}   against the coefficient");
        var (difference, step) = _curve.LargestDifference(position);
        var response = _curve.Response(position);
        output.WriteLine($"R² of a straight line {Screen.Number(_curve.RSquared(position))}; "
            + $"the gradient's line is off by at most {Screen.Number(difference)}, at {Screen.Number(_curve.Coefficients[step])}"
            + (response > 0 ? $" ({Screen.Percent(difference / response)} of the response {Screen.Number(response)})" : ""));
        PrintBends(output);
        if (file is not null)
        {
            output.WriteLine($"wrote {file} ({Screen.Bytes(new FileInfo(file).Length)}): all {_curve.Tokens.Count} positions");
        }
        output.WriteLine($"time {seconds:0.00} s, {_curve.RuntimeCalls} runtime calls");
    }

    private void PrintBends(TextWriter output)
    {
        if (_kinks.Count == 0) output.WriteLine("bends: none");
        // what the feature does is always told; of attention, what moves most
        var attention = _kinks.Where(b => b.Attention is not null).OrderByDescending(b => b.Attention!.Moved).Skip(MostBends).ToHashSet();
        foreach (var b in _kinks.Where(b => !attention.Contains(b))) output.WriteLine($"bend {Range(b)}: {run.Words(b)}");
        if (attention.Count > 0)
        {
            output.WriteLine($"and {attention.Count} switches of attention that move less; --json and --out have them all");
        }
    }

    private Spectre.Console.Table PointTable()
    {
        var table = Screen.Table("Response curve", "#coefficient", "#activation", "#gradient's line", "#difference");
        var every = (_curve.Coefficients.Count + MostRows - 1) / MostRows;
        for (var i = 0; i < _curve.Coefficients.Count; i += every)
        {
            double activation = _curve.Activation[i][position], line = _curve.Line(i, position);
            table.AddRow(Screen.Number(_curve.Coefficients[i]), Screen.Number(activation), Screen.Number(line),
                Screen.Number(activation - line));
        }
        if (every > 1)
        {
            table.Caption = Screen.Title($"one in {every} of {_curve.Coefficients.Count} points; --json and --out have them all");
        }
        return table;
    }

    private double[] Points(Func<int, double> of) => [.. Enumerable.Range(0, _curve.Coefficients.Count).Select(of)];

    private double Middle(Kink b) =>
        b.Cause == KinkCause.Unknown ? _curve.Coefficients[b.Step] : (_curve.Coefficients[b.Step - 1] + _curve.Coefficients[b.Step]) / 2;

    private string Range(Kink b) => b.Cause == KinkCause.Unknown
        ? $"at {Screen.Number(_curve.Coefficients[b.Step])}"
        : $"{Screen.Number(_curve.Coefficients[b.Step - 1])} to {Screen.Number(_curve.Coefficients[b.Step])}";

    private IEnumerable<int> ScaledAt() => Enumerable.Range(0, _curve.Tokens.Count).Where(p => _curve.Scaled[p] != 0);

    private string Token(int p) => $"{p} {DisplayText.Quoted(run.TextAt(p))}";

    private string Name(FeatureName name) => $"{name.Site}:{name.Feature}{labels.Behind(name.Site, name.Feature)}";

    private JsonObject Json(FeatureName name)
    {
        var json = new JsonObject { ["site"] = name.Site, ["feature"] = name.Feature };
        if (labels[name.Site, name.Feature] is { } label) json["label"] = label.Label;
        return json;
    }

    private JsonObject Json(Kink b)
    {
        var json = new JsonObject
        {
            ["from"] = b.Cause == KinkCause.Unknown ? _curve.Coefficients[b.Step] : _curve.Coefficients[b.Step - 1],
            ["to"] = _curve.Coefficients[b.Step],
            ["cause"] = b.Cause switch
            {
                KinkCause.SwitchesOn => "switches_on",
                KinkCause.SwitchesOff => "switches_off",
                KinkCause.Attention => "attention",
                _ => "unknown"
            },
            ["words"] = run.Words(b),
        };
        if (b.Attention is not { } a) return json;
        (json["layer"], json["head"], json["query"], json["from_key"], json["to_key"]) = (a.Layer, a.Head, a.Query, a.FromKey, a.ToKey);
        return json;
    }

    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;
}
