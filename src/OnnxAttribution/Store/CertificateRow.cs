using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of certificate.parquet: a dropped node, a dropped edge or a subset of dropped nodes that was really patched.</summary>
internal sealed record CertificateRow(string Check, string? UpSite, int? UpPosition, int? UpFeature, string? DownSite, int? DownPosition,
    int? DownFeature, double Density, int Nodes, float ApproxEffect, float ExactEffect) : ITableRow<CertificateRow>
{
    /// <summary>Which model was run, as in <see cref="ValidationRow.Model"/>.</summary>
    public string Model { get; init; } = ValidationRow.Real;

    public static string Table => "certificate";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Check), Varchar, "`node`, `edge` or `subset`; a word of SQL's own, so write `\"check\"` there"),
        StoredColumn.Of(nameof(UpSite), Varchar, "of the node, or of the edge's upstream end; NULL for a subset"),
        StoredColumn.Of(nameof(UpPosition), Integer, "likewise"),
        StoredColumn.Of(nameof(UpFeature), Integer, "likewise"),
        StoredColumn.Of(nameof(DownSite), Varchar, "of the edge's downstream end; NULL for the others"),
        StoredColumn.Of(nameof(DownPosition), Integer, "likewise"),
        StoredColumn.Of(nameof(DownFeature), Integer, "likewise; NULL into the metric too"),
        StoredColumn.Of(nameof(Density), StoredType.Double, "the probability that a dropped node is in the subset; NULL for the others"),
        StoredColumn.Of(nameof(Nodes), Integer, "how many nodes were patched at once"),
        StoredColumn.Of(nameof(ApproxEffect), Float, "what the run says of the node, or of the subset's nodes in all; NULL for an edge"),
        StoredColumn.Of(nameof(ExactEffect), Float, "the real change of the metric; of an edge as in `validation`"),
        StoredColumn.Of(nameof(Model), Varchar, "which model was run for it: `real`, or of a graph of transcoders `replacement`")
            with { IsLater = true },
    ];

    public void AddTo(StoredTable table) => table.Add(Check, UpSite, UpPosition, UpFeature, DownSite, DownPosition, DownFeature, Density,
        Nodes, ApproxEffect, ExactEffect, Model);

    public static CertificateRow Read(RowCells cells) => new(cells.Text(), cells.TextOrNull(), cells.IntegerOrNull(),
        cells.IntegerOrNull(), cells.TextOrNull(), cells.IntegerOrNull(), cells.IntegerOrNull(), cells.Double(), cells.Integer(),
        cells.Float(), cells.Float())
    {
        Model = cells.TextOrNull() ?? ValidationRow.Real
    };
}
