using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of patching.parquet: what one activation brings from one run into the other.</summary>
internal sealed record PatchRow(string What, string Hook, int Layer, int? Head, int? Position, string? Token, string? Prompt, double Score,
    double Metric, double EstimatedScore) : ITableRow<PatchRow>
{
    public static string Table => "patching";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(What), Varchar, "`resid`, `attn`, `mlp`, `z`, `q`, `k`, `v` or `pattern`"),
        StoredColumn.Of(nameof(Hook), Varchar, "hook name of the activation that is patched"),
        StoredColumn.Of(nameof(Layer), Integer, "its block"),
        StoredColumn.Of(nameof(Head), Integer, "its head, of keys and values the key's; NULL where it has none"),
        StoredColumn.Of(nameof(Position), Integer, "the position, of a pattern the query's; NULL: all at once"),
        StoredColumn.Of(nameof(Token), Varchar, "the token there; NULL where prompts have different ones"),
        StoredColumn.Of(nameof(Prompt), Varchar, "id of the pair of prompts; NULL: the mean over all"),
        StoredColumn.Of(nameof(Score), StoredType.Double,
            "(`metric` − as it was) / (other run − as it was): 0 nothing, 1 as the other run; NULL where both runs have one metric"),
        StoredColumn.Of(nameof(Metric), StoredType.Double, "the metric of the patched run, in its unit"),
        StoredColumn.Of(nameof(EstimatedScore), StoredType.Double, "the score by attribution patching; NULL where it was not asked for"),
    ];

    public void AddTo(StoredTable table) =>
        table.Add(What, Hook, Layer, Head, Position, Token, Prompt, Score, Metric, EstimatedScore);

    public static PatchRow Read(RowCells cells) => new(cells.Text(), cells.Text(), cells.Integer(), cells.IntegerOrNull(),
        cells.IntegerOrNull(), cells.TextOrNull(), cells.TextOrNull(), cells.Double(), cells.Double(), cells.Double());
}
