using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

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

    /// <summary>Such as <c>atp with estimator gradient against real interventions: 200 nodes, 1,000 edges (sampled, seed 0)</c>,
    /// after the estimator what was really moved: <c>, refined (N = 32), exact edges,</c>.</summary>
    public string Words { get; }

    /// <summary>Names of parts are indented by two spaces below the whole.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<string> Figures)> Rows { get; }

    /// <returns>null where the run was not validated.</returns>
    public static ValidationTable? Of(RunRecord run)
    {
        if (run.Validation is not { } validation) return null;
        var model = validation.InRealModel is null ? "" : ", replacement model";
        var rows = new List<(string, IReadOnlyList<string>)> { ("all nodes" + model, Figures(validation.Nodes)) };
        rows.AddRange(Kinds(validation.ByKind));
        rows.AddRange(Strata(validation.ByStratum, "node"));
        rows.Add(("all edges" + model, Figures(validation.Edges)));
        rows.AddRange(Strata(validation.ByStratum, "edge"));
        rows.Add(("downstream activations" + model, Figures(validation.Changes)));
        if (validation.InRealModel is { } real)
        {
            rows.Add(("all nodes, real model", Figures(real.Nodes)));
            rows.AddRange(Kinds(real.ByKind));
            rows.AddRange(Strata(real.ByStratum, "node"));
        }
        return new ValidationTable(Sentence((run as GraphRunRecord)?.Options, validation), rows);
    }

    /// <summary>One row's cells, in the order of <see cref="Columns"/>.</summary>
    public static IReadOnlyList<string> Figures(AgreementRecord a) =>
    [
        NumberText.Count(a.Count), NumberText.Correlation(a.Pearson), NumberText.Correlation(a.Spearman),
        NumberText.Percent(a.SignAgreement), NumberText.Of(a.Slope), Error(a.MedianRelativeError),
        $"{NumberText.Percent(a.TopRecall)} of {NumberText.Count(a.Top)}",
    ];

    // less is what rounding in float32 leaves, which differs from machine to machine
    private static string Error(double? relative) => relative < 1e-4 ? "<0.01 %" : NumberText.Percent(relative);

    private static IEnumerable<(string, IReadOnlyList<string>)> Kinds(IReadOnlyList<KindAgreementRecord> kinds) => kinds.Select(k =>
        (k.Kind == RunNames.TokenKind ? "  tokens" : $"  {k.Kind} {(k.Error ? "errors" : "features")}", Figures(k)));

    private static IEnumerable<(string, IReadOnlyList<string>)> Strata(IReadOnlyList<StratumAgreementRecord> strata, string check) =>
        strata.Where(s => s.Check == check && s.Stratum != "all").Select(s => ($"  {s.Stratum}", Figures(s)));

    // what was really moved for the run
    private static string Moved(GraphOptionsRecord? options)
    {
        var more = (options?.Refine is { } n ? $", refined (N = {n})" : "")
            + (options?.ExactDepth is > 0 and var depth ? $", depth {depth}" : "")
            + (EnumName.ValueOf<EdgeMethod>(options?.Edges ?? "") == EdgeMethod.Exact ? ", exact edges" : "");
        return more.Length == 0 ? "" : more + ",";
    }

    private static string Sentence(GraphOptionsRecord? options, ValidationRecord validation)
    {
        var sampled = validation.Sample is null ? " (all)" : $" (sampled, seed {validation.Seed})";
        var where = validation.InRealModel is null ? "" : " in the replacement model, and of nodes in the real one";
        return $"{options?.Method} with estimator {options?.Estimator}{Moved(options)} against real interventions{where}: "
            + $"{NumberText.Count(validation.Nodes.Count, "node")}, {NumberText.Count(validation.Edges.Count, "edge")}{sampled}";
    }
}
