using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of targets.parquet: what a node gives an output token along paths that pass no other node.</summary>
internal sealed record TargetRow(string Target, int TargetId, float Probability, string UpSite, int UpPosition, int UpFeature, float Weight)
    : ITableRow<TargetRow>
{
    public static string Table => "targets";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Target), Varchar, "text of the output token"),
        StoredColumn.Of(nameof(TargetId), Integer, "its id"),
        StoredColumn.Of(nameof(Probability), Float, "its probability in the clean run, at the metric's position"),
        StoredColumn.Of(nameof(UpSite), Varchar, "hook name of the node"),
        StoredColumn.Of(nameof(UpPosition), Integer, "its position"),
        StoredColumn.Of(nameof(UpFeature), Integer, "its feature; −1: error node, or a token at `hook_embed`"),
        StoredColumn.Of(nameof(Weight), Float,
            "what its clean value gives the logit before a soft cap, less the mean; NULL of errors and tokens with a patch prompt"),
    ];

    public void AddTo(StoredTable table) => table.Add(Target, TargetId, Probability, UpSite, UpPosition, UpFeature, Weight);

    public static TargetRow Read(RowCells cells) =>
        new(cells.Text(), cells.Integer(), cells.Finite(), cells.Text(), cells.Integer(), cells.Integer(), cells.Float());
}
