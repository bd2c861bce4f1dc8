using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>Checks as rows of validation.parquet.</summary>
internal static class ValidationRows
{
    public static StoredTable Of(IReadOnlyList<ValidationCheck> checks, int metricPosition)
    {
        var table = new StoredTable(
            new("check", StoredType.Varchar), new("stratum", StoredType.Varchar), new("estimator", StoredType.Varchar),
            new("up_site", StoredType.Varchar), new("up_position", StoredType.Integer), new("up_feature", StoredType.Integer),
            new("down_site", StoredType.Varchar), new("down_position", StoredType.Integer), new("down_feature", StoredType.Integer),
            new("approx_change", StoredType.Float), new("exact_change", StoredType.Float), new("approx_effect", StoredType.Float),
            new("exact_effect", StoredType.Float));
        foreach (var c in checks)
        {
            // into the metric as in edges.parquet
            (string? Site, int? Position, int? Feature) down = !c.IsEdge ? (null, null, null)
                : c.Down is { } d ? (d.Site.Name, d.Position, d.Feature)
                : (RunDirectory.MetricSite, metricPosition, null);
            table.Add(c.IsEdge ? "edge" : "node", c.StratumName, c.Estimator, c.Up.Site.Name, c.Up.Position, c.Up.Feature,
                down.Site, down.Position, down.Feature, c.ApproxChange, c.ExactChange, c.ApproxEffect, c.ExactEffect);
        }
        return table;
    }
}
