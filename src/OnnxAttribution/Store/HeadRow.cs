using OnnxAttribution.Autodiff;
using OnnxAttribution.Files;
using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of heads.parquet: what of an edge goes through one attention head in one way, or around attention.</summary>
internal sealed record HeadRow(string UpSite, int UpPosition, int UpFeature, string DownSite, int DownPosition, int? DownFeature,
    int? Layer, int? Head, string Way, float Jacobian, float Effect) : ITableRow<HeadRow>
{
    public static string Table => "heads";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(UpSite), Varchar, "hook name of the edge's upstream node"),
        StoredColumn.Of(nameof(UpPosition), Integer, "its position"),
        StoredColumn.Of(nameof(UpFeature), Integer, "its feature; −1: error node"),
        StoredColumn.Of(nameof(DownSite), Varchar, $"hook name of the edge's downstream node, or `{RunNames.MetricSite}`"),
        StoredColumn.Of(nameof(DownPosition), Integer, "its position; into the metric the metric's"),
        StoredColumn.Of(nameof(DownFeature), Integer, "its feature; −1: error node; NULL into the metric"),
        StoredColumn.Of(nameof(Layer), Integer, "of the last attention that the paths pass; NULL where they pass none"),
        StoredColumn.Of(nameof(Head), Integer, "the query head there; NULL likewise"),
        StoredColumn.Of(nameof(Way), Varchar, "`value` (with the pattern held), `query`, `key`, or `around`: past all attention"),
        StoredColumn.Of(nameof(Jacobian), Float, "its part of the edge's jacobian; NULL where an end is an error node"),
        StoredColumn.Of(nameof(Effect), Float, "its part of the edge's effect; of exact edges: of what the jacobian says of it"),
    ];

    public void AddTo(StoredTable table) => table.Add(UpSite, UpPosition, UpFeature, DownSite, DownPosition, DownFeature, Layer, Head, Way,
        Jacobian, Effect);

    public static HeadRow Read(RowCells cells)
    {
        var row = new HeadRow(cells.Text(), cells.Integer(), cells.Integer(), cells.Text(), cells.Integer(), cells.IntegerOrNull(),
            cells.IntegerOrNull(), cells.IntegerOrNull(), cells.Text(), cells.Float(), cells.Finite());
        var way = EnumName.ValueOf<AttentionWay>(row.Way) ?? throw cells.Wrong($"has the way '{row.Way}', which is none");
        if ((row.Layer is null || row.Head is null) != (way == AttentionWay.Around))
        {
            throw cells.Wrong(way == AttentionWay.Around ? "passes no attention and names a head" : "names no head");
        }
        if (row.DownFeature is null != (row.DownSite == RunNames.MetricSite)) throw cells.Wrong("has no down_feature");
        return row;
    }
}
