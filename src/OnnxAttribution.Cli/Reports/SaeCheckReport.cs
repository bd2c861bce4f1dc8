using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Preflight;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>sae check</c> prints.</summary>
internal sealed class SaeCheckReport(CheckReport report, string bundle, double seconds)
{
    public JsonObject ToJson() => new()
    {
        ["bundle"] = bundle,
        ["text"] = report.Text,
        ["tokens"] = report.Tokens,
        ["context"] = report.Context,
        ["sites"] = new JsonArray([.. report.Sites.Select(Json)]),
        ["findings"] = new JsonArray([.. report.Findings.Select(Json)]),
        ["notes"] = new JsonArray([.. report.Notes.Select(n => JsonValue.Create(n))]),
        ["seconds"] = seconds,
        ["peak_memory_bytes"] = RunContext.PeakMemory(),
    };

    public void Print(TextWriter output)
    {
        var table = Screen.Table($"Dictionaries on {report.Tokens:N0} tokens of {report.Text}", "site", "kind", "#features", "#L0",
            "#variance explained", "#CE recovered", "#dead", "finding", "#CE", "#spliced", "#zeroed", "#norm", "#cosine", "#dense");
        foreach (var s in report.Sites)
        {
            var found = string.Join(", ", report.Findings.Where(f => f.Site == s.Site).Select(f => Short(f.Fault)));
            table.AddRow(s.Site, $"{s.Architecture}{(s.K is { } k ? $" {k}" : "")}{(s.PrependBos ? "" : ", no BOS")}", $"{s.Features:N0}",
                Fixed(s.Fit.L0, "0.0"), Fixed(s.Fit.VarianceExplained, "0.000"), Fixed(s.Loss?.Recovered, "0.000"),
                Screen.Percent((double)s.Dead / s.Features), found.Length == 0 ? "–" : found, Fixed(s.Loss?.Clean, "0.000"),
                Fixed(s.Loss?.Spliced, "0.000"), Fixed(s.Loss?.Zero, "0.000"), Fixed(s.Fit.NormRatio, "0.00"), Fixed(s.Fit.Cosine, "0.00"),
                Screen.Percent((double)s.Dense / s.Features));
        }
        Screen.On(output).Show(table, mayDrop: 6);
        output.WriteLine(
            $"counted: {report.Sites[0].Fit.Tokens:N0} tokens, all but the first position of each sequence of at most {report.Context}"
                + (report.Sites[0].Loss is { } loss
                    ? $"; cross-entropies in nats over {loss.Predictions:N0} predictions, recovered = (zeroed − spliced) / (zeroed − CE)"
                    : "; no cross-entropies"));
        foreach (var note in report.Notes) output.WriteLine(note);
        output.WriteLine(report.Findings.Count == 0 ? "All dictionaries look well." : "");
        foreach (var finding in report.Findings) output.WriteLine($"- {FailureLine.WithOption(finding.Sentence, finding.Setting)}");
        output.WriteLine($"time {seconds:0.0} s, peak memory {Screen.Bytes(RunContext.PeakMemory())}");
    }

    private static JsonObject Json(SiteCheck s) => new()
    {
        ["site"] = s.Site,
        ["architecture"] = s.Architecture,
        ["k"] = s.K,
        ["features"] = s.Features,
        ["normalize_activations"] = s.Normalization,
        ["prepend_bos"] = s.PrependBos,
        ["fit"] = Json(s.Fit),
        ["dead"] = s.Dead,
        ["dead_share"] = (double)s.Dead / s.Features,
        ["dense"] = s.Dense,
        ["dense_share"] = (double)s.Dense / s.Features,
        ["loss"] = s.Loss is not { } loss ? null : new JsonObject
        {
            ["recovered"] = loss.Recovered,
            ["clean"] = Finite(loss.Clean),
            ["spliced"] = Finite(loss.Spliced),
            ["zero"] = Finite(loss.Zero),
            ["predictions"] = loss.Predictions,
        },
    };

    private static JsonObject Json(Finding f) => new()
    {
        ["site"] = f.Site,
        ["fault"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(f.Fault.ToString()),
        ["sentence"] = FailureLine.WithOption(f.Sentence, f.Setting),
        ["before"] = Json(f.Before),
        ["after"] = f.After is { } after ? Json(after) : null,
    };

    private static JsonObject Json(ReconstructionFit f) => new()
    {
        ["tokens"] = f.Tokens,
        ["l0"] = f.L0,
        ["variance_explained"] = Finite(f.VarianceExplained),
        ["cosine"] = f.Cosine,
        ["norm_ratio"] = f.NormRatio,
        ["first_position_variance_explained"] = Finite(f.FirstVarianceExplained),
    };

    private static double? Finite(double x) => double.IsFinite(x) ? x : null;

    private static string Fixed(double? x, string format) => x is { } value ? value.ToString(format, CultureInfo.InvariantCulture) : "–";

    private static string Short(Fault fault) => fault switch
    {
        Fault.TopkReadAsRelu => "TopK read as ReLU",
        Fault.ReluReadAsTopk => "ReLU read as TopK",
        Fault.WrongK => "wrong k",
        Fault.InputNormalization => "input normalisation",
        Fault.DecoderBias => "b_dec",
        Fault.UncentredWeights => "uncentred weights",
        Fault.Bos => "BOS",
        Fault.DecoderNorm => "decoder norms",
        Fault.SelectionByNorm => "selection by norm",
        Fault.OtherSite => "another site's",
        Fault.InputScale => "input scale",
        Fault.DoesNotFit => "does not fit",
        Fault.LossNotRecovered => "cross-entropy",
        _ => "looks wrong",
    };
}
