using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>features --show</c> prints: one feature's dashboard.</summary>
/// <param name="label">What it is said to stand for; null: nobody says it.</param>
internal sealed class FeatureReport(FeatureDashboard feature, FeatureLabel? label)
{
    private const string Bars = "▁▂▃▄▅▆▇█";

    public JsonObject ToJson() => new()
    {
        ["site"] = feature.Site,
        ["feature"] = feature.Feature,
        ["label"] = label?.Label,
        ["label_source"] = label?.Source,
        ["label_score"] = label?.Score,
        ["dead"] = feature.IsDead,
        ["firing_rate"] = feature.FiringRate,
        ["mean_activation"] = feature.MeanActivation,
        ["max_activation"] = feature.MaxActivation,
        ["histogram"] = Array(feature.Histogram, c => JsonValue.Create(c)),
        ["bin_width"] = feature.BinWidth,
        ["contexts"] = Array(feature.Contexts, Json),
        ["promoted"] = Array(feature.Promoted, Json),
        ["suppressed"] = Array(feature.Suppressed, Json),
        ["nearest"] = Array(feature.Nearest, n => new JsonObject { ["feature"] = n.Feature, ["cosine"] = n.Cosine }),
    };

    public void Print(TextWriter output)
    {
        output.WriteLine($"feature     {FeatureName.Of(feature.Site, feature.Feature)}  ({feature.Site}:{feature.Feature})");
        if (label is not null)
        {
            output.WriteLine($"label       {DisplayText.Quoted(label.Label)}  ({DisplayText.OneLine(label.Source)}"
                + $"{(label.Score is { } score ? $"; predicts its activations with correlation {Screen.Number(score)}" : "")})");
        }
        output.WriteLine(feature.IsDead ? "activation  dead: never active on this text"
            : $"activation  at {Screen.Percent(feature.FiringRate)} of tokens; "
                + $"mean {Screen.Number(feature.MeanActivation)} there, largest {Screen.Number(feature.MaxActivation)}");
        if (!feature.IsDead)
        {
            output.WriteLine($"histogram   0 {Histogram()} {Screen.Number(feature.BinWidth * feature.Histogram.Count)}  (heights "
                + "are logarithms of counts)");
        }
        if (feature.Promoted.Count > 0)
        {
            output.WriteLine($"promotes    {string.Join("  ", feature.Promoted.Select(Words))}");
            output.WriteLine($"suppresses  {string.Join("  ", feature.Suppressed.Select(Words))}");
        }
        if (feature.Nearest.Count > 0)
        {
            output.WriteLine($"nearest     {string.Join("  ", feature.Nearest.Select(n => $"{n.Feature} ({Screen.Number(n.Cosine)})"))}");
        }
        var quantiles = feature.Contexts.Select(c => c.Quantile).DefaultIfEmpty().Max();
        foreach (var group in feature.Contexts.GroupBy(c => c.Quantile))
        {
            output.WriteLine(group.Key == 0
                ? "strongest contexts"
                : $"weaker: stratum {group.Key} of {quantiles} of its activations{(group.Key == 1 ? ", the strongest" : "")}");
            foreach (var context in group) Print(output, context);
        }
    }

    private void Print(TextWriter output, FeatureContext context)
    {
        var activation = context.Activations[context.Peak];
        var peak = $"{(activation < 0.01f ? Screen.Number(activation) : activation.ToString("0.00")),7}  ";
        var console = Screen.On(output);
        if (console.Profile.Capabilities.ColorSystem == ColorSystem.NoColors)
        {
            output.WriteLine(peak + ContextText.Plain(context));
            return;
        }
        var grid = new Grid()
            .AddColumn(new GridColumn { NoWrap = true, Padding = new Padding(0, 0, 0, 0) })
            .AddColumn(new GridColumn { Padding = new Padding(0, 0, 0, 0) });
        grid.AddRow(Screen.Cell(peak), ContextText.Coloured(context, feature.MaxActivation));
        console.Write(grid);
    }

    private string Histogram()
    {
        var most = Math.Log(1 + feature.Histogram.Max());
        return string.Concat(
            feature.Histogram.Select(c => c == 0 ? ' ' : Bars[(int)Math.Round((Bars.Length - 1) * Math.Log(1 + c) / most)]));
    }

    private static string Words(TokenLogit t) => $"{DisplayText.Quoted(t.Token)} {t.Logit:+0.00;-0.00}";

    private static JsonObject Json(TokenLogit t) => new() { ["token"] = t.Token, ["logit"] = t.Logit };

    internal static JsonObject Json(FeatureContext c) => new()
    {
        ["quantile"] = c.Quantile,
        ["peak"] = c.Peak,
        ["tokens"] = Array(c.Tokens, t => JsonValue.Create(t)),
        ["activations"] = Array(c.Activations, a => JsonValue.Create(a)),
    };

    internal static JsonArray Array<T>(IEnumerable<T> items, Func<T, JsonNode?> of) => [.. items.Select(of)];
}
