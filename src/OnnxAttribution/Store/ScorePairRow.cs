using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of score_pairs.parquet: what a part of the query's side and a part of the key's add to a head's score.</summary>
internal sealed record ScorePairRow(int Layer, int Head, int Query, int Key, int? QueryFeature, int? KeyFeature, float QueryActivation,
    float KeyActivation, float Score, float Pattern) : ITableRow<ScorePairRow>
{
    public static string Table => "score_pairs";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Layer), Integer, "of the head"),
        StoredColumn.Of(nameof(Head), Integer, "the head there"),
        StoredColumn.Of(nameof(Query), Integer, "position of the query"),
        StoredColumn.Of(nameof(Key), Integer, "position of the key"),
        StoredColumn.Of(nameof(QueryFeature), Integer,
            "feature of the layer's `hook_resid_pre` at the query; −1: the error; NULL: the bias"),
        StoredColumn.Of(nameof(KeyFeature), Integer, "likewise at the key"),
        StoredColumn.Of(nameof(QueryActivation), Float, "its activation, the error's norm; NULL for the bias"),
        StoredColumn.Of(nameof(KeyActivation), Float, "likewise"),
        StoredColumn.Of(nameof(Score), Float, "what the pair adds to q·k/√d_head"),
        StoredColumn.Of(nameof(Pattern), Float, "attention of the query to the key; the same in every row of a score"),
    ];

    public void AddTo(StoredTable table) =>
        table.Add(Layer, Head, Query, Key, QueryFeature, KeyFeature, QueryActivation, KeyActivation, Score, Pattern);

    public static ScorePairRow Read(RowCells cells) => new(cells.Integer(), cells.Integer(), cells.Integer(), cells.Integer(),
        cells.IntegerOrNull(), cells.IntegerOrNull(), cells.Float(), cells.Float(), cells.Finite(), cells.Finite());
}
