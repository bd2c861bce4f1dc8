using System.Globalization;
using System.Text.Json.Nodes;

namespace OnnxAttribution.View.Figures;

/// <summary>How a run's estimates agree with real interventions, as a table of texts:
/// what <c>validate</c> prints first and the page shows.</summary>
internal sealed class ValidationTable
{
    private ValidationTable(string words, IReadOnlyList<(string Name, IReadOnlyList<string> Figures)> rows) =>
        (Words, Rows) = (words, rows);

    /// <summary>Of <see cref="Rows"/>' figures.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["checked", "Pearson", "Spearman", "sign", "slope", "median error", "top recall"];

    /// <summary>Such as <c>atp with estimator gradient against real interventions: 200 nodes, 1,000 edges (sampled, seed 0)</c>.</summary>
    public string Words { get; }

    /// <summary>Names of parts are indented by two spaces below the whole.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<string> Figures)> Rows { get; }

    /// <param name="facts">run.json.</param>
    /// <returns>null where the run was not validated.</returns>
    public static ValidationTable? Of(JsonObject facts)
    {
        if (facts["validation"] is not JsonObject validation) return null;
        var rows = new List<(string, IReadOnlyList<string>)> { ("all nodes", Figures(validation["nodes"]!)) };
        rows.AddRange(validation["by_kind"]!.AsArray()
            .Select(k => ($"  {(string)k!["kind"]!} {((bool)k["error"]! ? "errors" : "features")}", Figures(k))));
        rows.AddRange(Strata(validation, "node"));
        rows.Add(("all edges", Figures(validation["edges"]!)));
        rows.AddRange(Strata(validation, "edge"));
        rows.Add(("downstream activations", Figures(validation["changes"]!)));
        return new ValidationTable(Sentence(facts, validation), rows);
    }

    /// <summary>One row's cells, in the order of <see cref="Columns"/>.</summary>
    /// <param name="figures">An agreement, as run.json has it.</param>
    public static IReadOnlyList<string> Figures(JsonNode figures) =>
    [
        ((int)figures["count"]!).ToString("N0", CultureInfo.InvariantCulture), NumberText.Correlation(Value(figures, "pearson")),
        NumberText.Correlation(Value(figures, "spearman")), NumberText.Percent(Value(figures, "sign_agreement")),
        NumberText.Of(Value(figures, "slope")), NumberText.Percent(Value(figures, "median_relative_error")),
        $"{NumberText.Percent(Value(figures, "top_recall"))} of {((int)figures["top"]!).ToString("N0", CultureInfo.InvariantCulture)}",
    ];

    /// <summary>A figure; NaN where it is not defined.</summary>
    public static double Value(JsonNode of, string name) => of[name] is { } v ? (double)v : double.NaN;

    private static IEnumerable<(string, IReadOnlyList<string>)> Strata(JsonObject validation, string check) =>
        validation["by_stratum"]!.AsArray()
            .Where(s => (string)s!["check"]! == check && (string)s["stratum"]! != "all")
            .Select(s => ($"  {(string)s!["stratum"]!}", Figures(s)));

    private static string Sentence(JsonObject facts, JsonObject validation)
    {
        string Count(string of, string noun) => NumberText.Count((int)validation[of]!["count"]!, noun);
        var sampled = validation["sample"] is null ? " (all)" : $" (sampled, seed {(int)validation["seed"]!})";
        return $"{(string?)facts["options"]?["method"]} with estimator {(string?)facts["options"]?["estimator"]} against real "
            + $"interventions: {Count("nodes", "node")}, {Count("edges", "edge")}{sampled}";
    }
}
