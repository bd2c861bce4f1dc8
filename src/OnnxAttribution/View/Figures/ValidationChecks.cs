using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>The checks of one estimator in a run's validation.parquet.</summary>
/// <param name="Estimator">The run's own where the table holds several.</param>
/// <param name="Subtitle">What was asked of the run.</param>
/// <param name="Unknown">Checks of which one number is NULL.</param>
internal sealed record ValidationChecks(string Estimator, string Subtitle, IReadOnlyList<ValidationMark> Nodes,
    IReadOnlyList<ValidationMark> Edges, int Unknown)
{
    private const int Error = -1;

    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static ValidationChecks Read(string run, CancellationToken cancel) =>
        Find(run, cancel) ?? throw FigureException.NoRows(Path.Combine(run, "validation.parquet"), "checks with both numbers");

    /// <summary>As <see cref="Read"/>, but null where nothing could be checked.</summary>
    public static ValidationChecks? Find(string run, CancellationToken cancel)
    {
        var table = RunDirectory.ReadTable(run, "validation", RowTable.Columns<ValidationRow>(nameof(ValidationRow.Check),
            nameof(ValidationRow.Estimator), nameof(ValidationRow.UpSite), nameof(ValidationRow.UpPosition),
            nameof(ValidationRow.UpFeature), nameof(ValidationRow.DownSite), nameof(ValidationRow.DownPosition),
            nameof(ValidationRow.DownFeature), nameof(ValidationRow.ApproxEffect), nameof(ValidationRow.ExactEffect)), cancel);
        var record = RunDirectory.ReadRecord(run);
        var estimators = table.Values<string?>("estimator");
        var own = record.Validation?.Estimator ?? (record as GraphRunRecord)?.Options?.Estimator;
        if (own is null || !estimators.Contains(own)) own = estimators.FirstOrDefault(e => e is not null);
        var header = new PictureHeader(record);
        var (nodes, edges, unknown) = (new List<ValidationMark>(), new List<ValidationMark>(), 0);
        var (check, exact, approximate) = (table.Values<string?>("check"), table.Values<float>("exact_effect"),
            table.Values<float>("approx_effect"));
        var (up, down) = (new Ends(table, "up"), new Ends(table, "down"));
        for (var i = 0; i < table.Count; i++)
        {
            if (estimators[i] != own) continue;
            if (float.IsNaN(exact[i]) || float.IsNaN(approximate[i]))
            {
                unknown++;
            }
            else if (check[i] == "edge")
            {
                edges.Add(new ValidationMark($"{up.Name(i)} → {down.Name(i)}", up.KindOf(i), up.IsError(i), exact[i], approximate[i]));
            }
            else
            {
                nodes.Add(new ValidationMark(up.Name(i), up.KindOf(i), up.IsError(i), exact[i], approximate[i]));
            }
        }
        return own is null || nodes.Count + edges.Count == 0
            ? null
            : new ValidationChecks(own, $"{header.Title}  ·  {header.MetricWords}", nodes, edges, unknown);
    }

    private sealed class Ends(StoredTable table, string end)
    {
        private readonly IReadOnlyList<string?> _site = table.Values<string?>(end + "_site");
        private readonly IReadOnlyList<int?> _position = table.Values<int?>(end + "_position"),
            _feature = table.Values<int?>(end + "_feature");

        public bool IsError(int row) => _feature[row] == Error;

        public SiteKind KindOf(int row) => _site[row] is { } s && s != RunDirectory.MetricSite ? Site.Parse(s).Kind : SiteKind.Resid;

        public string Name(int row) => _site[row] is not { } s ? "" : s == RunDirectory.MetricSite ? "metric"
            : string.Create(CultureInfo.InvariantCulture, $"{Site.Parse(s).ShortName} "
                + $"{(IsError(row) ? "error" : _feature[row])}{(_position[row] is { } p and >= 0 ? $" @{p}" : "")}");
    }
}

/// <summary>A checked node or edge as a point.</summary>
/// <param name="Kind">Of the site of the node, of an edge that of its upstream end.</param>
internal readonly record struct ValidationMark(string Name, SiteKind Kind, bool IsError, float Exact, float Approximate);
