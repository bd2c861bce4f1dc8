using System.Text.Json;
using MathNet.Numerics.Statistics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Dashboards;

/// <summary>What a scoring of labels found.</summary>
/// <param name="Scores">The correlations of the features that have one, in the file's order.</param>
/// <param name="Constant">Features without one: all predictions, or all activations, are the same.</param>
internal sealed record ScoreSummary(IReadOnlyList<double> Scores, int Constant)
{
    public double Mean => Scores.Count > 0 ? Scores.Average() : double.NaN;

    public double Median => Scores.Median();
}

/// <summary>Scores labels by the activations that were predicted from them: the correlation with the true ones over the
/// held-out contexts of <see cref="ExplainSplit"/>, as Bills et al. 2023 score explanations. Labels and scores go into the
/// bundle's table.</summary>
internal static class LabelScores
{
    private const string Form = "a line has site, feature, label and predictions: a list of numbers per held-out context, one a token";

    /// <param name="file">JSON lines: the answers to a pack.</param>
    /// <exception cref="DashboardException">A line is not of this form, or is of no feature of the table; nothing is written.</exception>
    public static ScoreSummary Run(FeatureShelf shelf, string file, CancellationToken cancel)
    {
        var (labels, scores, constant) = (new List<FeatureLabel>(), new List<double>(), 0);
        foreach (var (place, line) in Lines(file))
        {
            cancel.ThrowIfCancellationRequested();
            using var document = Parsed(place, line);
            var label = Scored(shelf, place, document.RootElement, Path.GetFileName(file), cancel);
            labels.Add(label);
            if (label.Score is { } score) scores.Add(score);
            else constant++;
        }
        if (labels.Count == 0) throw new DashboardException($"{file} has no line; {Form}");
        LabelImport.Merge(shelf.Bundle, labels, cancel);
        return new ScoreSummary(scores, constant);
    }

    /// <summary>Pearson's correlation; null where one side is constant.</summary>
    internal static double? Correlation(IReadOnlyList<double> predicted, IReadOnlyList<double> found) =>
        Agreement.Between([.. found], [.. predicted]).Pearson is var r && double.IsNaN(r) ? null : r;

    private static FeatureLabel Scored(FeatureShelf shelf, string place, JsonElement line, string file, CancellationToken cancel)
    {
        if (line.ValueKind != JsonValueKind.Object || !line.TryGetProperty("site", out var site) || site.ValueKind != JsonValueKind.String
            || !line.TryGetProperty("feature", out var number) || number.ValueKind != JsonValueKind.Number
            || !number.TryGetInt32(out var feature)
            || !line.TryGetProperty("label", out var label) || label.ValueKind != JsonValueKind.String
            || !line.TryGetProperty("predictions", out var given) || given.ValueKind != JsonValueKind.Array)
        {
            throw new DashboardException($"{place} is no answer to a pack: {Form}");
        }
        if (feature < 0) throw new DashboardException($"{place}: there is no feature {feature}; features are counted from 0");
        FeatureDashboard dashboard;
        try
        {
            var name = site.GetString()!;
            dashboard = shelf.Feature(new FeatureName(Site.FromShort(name) ?? name, feature, null), cancel);
        }
        catch (OnnxAttributionException e)
        {
            throw new DashboardException($"{place}: {e.Message}", e);
        }
        var heldOut = ExplainSplit.Of(dashboard, 1)?.HeldOut
            ?? throw new DashboardException($"{place}: feature {feature} of {dashboard.Site} has no contexts to score a label on");
        var predicted = Predictions(place, given, heldOut);
        var score = Correlation(predicted, [.. heldOut.SelectMany(c => c.Activations).Select(a => (double)a)]);
        return new FeatureLabel(dashboard.Site, feature, label.GetString()!.Trim(), file, score);
    }

    private static List<double> Predictions(string place, JsonElement given, IReadOnlyList<FeatureContext> heldOut)
    {
        var predicted = new List<double>();
        if (given.GetArrayLength() != heldOut.Count)
        {
            throw new DashboardException($"{place} predicts {given.GetArrayLength()} contexts, and {heldOut.Count} are held out; "
                + "make the pack again if features.parquet was made anew since");
        }
        foreach (var (i, context) in given.EnumerateArray().Index())
        {
            if (context.ValueKind != JsonValueKind.Array || context.GetArrayLength() != heldOut[i].Tokens.Count)
            {
                throw new DashboardException($"{place}: the predictions of held-out context {i} are no list of {heldOut[i].Tokens.Count} "
                    + "numbers, one a token");
            }
            foreach (var value in context.EnumerateArray())
            {
                predicted.Add(value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var p) && double.IsFinite(p) ? p
                    : throw new DashboardException($"{place}: a prediction of held-out context {i} is no number"));
            }
        }
        return predicted;
    }

    private static IEnumerable<(string Place, string Line)> Lines(string file)
    {
        string text;
        try
        {
            text = RegularFile.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DashboardException($"{file} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
        foreach (var (i, line) in text.Split('\n').Index())
        {
            if (!string.IsNullOrWhiteSpace(line)) yield return ($"{file}:{i + 1}", line);
        }
    }

    private static JsonDocument Parsed(string place, string line)
    {
        try
        {
            return PythonJson.Parse(System.Text.Encoding.UTF8.GetBytes(line));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DashboardException($"{place} is not valid JSON ({JsonFault.Words(e)}); {Form}", e);
        }
    }
}
