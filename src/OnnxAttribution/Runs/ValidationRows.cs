using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>Checks as rows of validation.parquet.</summary>
internal static class ValidationRows
{
    public static StoredTable Of(IReadOnlyList<ValidationCheck> checks, int metricPosition) => RowTable.Of(checks.Select(c =>
    {
        // into the metric as in edges.parquet
        (string? Site, int? Position, int? Feature) down = !c.IsEdge ? (null, null, null)
            : c.Down is { } d ? (d.Site.Name, d.Position, d.Feature)
            : (RunNames.MetricSite, metricPosition, null);
        return new ValidationRow(c.IsEdge ? "edge" : "node", c.StratumName, c.Estimator, c.Up.Site.Name, c.Up.Position,
            c.Up.Feature, down.Site, down.Position, down.Feature, c.ApproxChange, c.ExactChange, c.ApproxEffect, c.ExactEffect)
        {
            Model = EnumName.Of(c.Model)
        };
    }));
}
