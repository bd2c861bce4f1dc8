using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>The checks of one estimator in a run's validation.parquet.</summary>
/// <param name="Estimator">The run's own where the table holds several.</param>
/// <param name="Subtitle">What was asked of the run.</param>
/// <param name="Panels">Nodes, edges and, where transcoders stand for MLPs, nodes in the real model: none that is empty.</param>
/// <param name="Unknown">Checks of which one number is NULL.</param>
internal sealed record ValidationChecks(string Estimator, string Subtitle, IReadOnlyList<ValidationPanel> Panels, int Unknown)
{
    private const int Error = -1;

    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static ValidationChecks Read(string run, CancellationToken cancel) =>
        Find(run, cancel) ?? throw FigureException.NoRows(RunDirectory.TableFile(run, ValidationRow.Table), "checks with both numbers");

    /// <summary>As <see cref="Read"/>, but null where nothing could be checked.</summary>
    public static ValidationChecks? Find(string run, CancellationToken cancel)
    {
        var rows = RunDirectory.ReadRows<ValidationRow>(run, cancel);
        var record = RunDirectory.ReadRecord(run);
        var own = record.Validation?.Estimator ?? (record as GraphRunRecord)?.Options?.Estimator;
        if (own is null || !rows.Any(r => r.Estimator == own)) own = rows.Count > 0 ? rows[0].Estimator : null;
        var header = new PictureHeader(record);
        var (nodes, edges, real, unknown) = (new List<ValidationMark>(), new List<ValidationMark>(), new List<ValidationMark>(), 0);
        foreach (var row in rows)
        {
            if (row.Estimator != own) continue;
            if (float.IsNaN(row.ExactEffect) || float.IsNaN(row.ApproxEffect)) unknown++;
            else if (row.Check == "edge") edges.Add(Mark(row, $"{Up(row)} → {Name(row.DownSite, row.DownPosition, row.DownFeature)}"));
            else (header.IsReplaced && row.Model == ValidationRow.Real ? real : nodes).Add(Mark(row, Up(row)));
        }
        var model = header.IsReplaced ? " in the replacement model" : "";
        ValidationPanel[] panels = [new("node", model, nodes), new("edge", model, edges), new("node", " in the real model", real)];
        panels = [.. panels.Where(p => p.Marks.Count > 0)];
        return own is null || panels.Length == 0 ? null
            : new ValidationChecks(own, $"{header.Title}  ·  {header.MetricWords}", panels, unknown);
    }

    private static ValidationMark Mark(ValidationRow row, string name) => new(name,
        row.UpSite == RunDirectory.MetricSite ? SiteKind.Resid : Site.Parse(row.UpSite).Kind, row.UpFeature == Error, row.ExactEffect,
        row.ApproxEffect);

    private static string Up(ValidationRow row) => Name(row.UpSite, row.UpPosition, row.UpFeature);

    private static string Name(string? site, int? position, int? feature) => site is null ? "" : site == RunDirectory.MetricSite ? "metric"
        : FeatureName.Of(site, feature ?? Error, position);
}

/// <summary>Checks that are drawn together.</summary>
/// <param name="What"><c>node</c> or <c>edge</c>.</param>
/// <param name="Model">In words, where there are two.</param>
internal sealed record ValidationPanel(string What, string Model, IReadOnlyList<ValidationMark> Marks);

/// <summary>A checked node or edge as a point.</summary>
/// <param name="Kind">Of the site of the node, of an edge that of its upstream end.</param>
internal readonly record struct ValidationMark(string Name, SiteKind Kind, bool IsError, float Exact, float Approximate);
