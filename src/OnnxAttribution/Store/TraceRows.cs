using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of trace.parquet: one block at one position, along a direction.</summary>
internal sealed record TraceRow(int Layer, int Position, string Token, double Before, double Attn, double Mlp, double After)
    : ITableRow<TraceRow>
{
    public static string Table => "trace";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Layer), Integer, "the block, from 0"),
        StoredColumn.Of(nameof(Position), Integer, "token position"),
        StoredColumn.Of(nameof(Token), Varchar, "the token there"),
        StoredColumn.Of(nameof(Before), StoredType.Double, "x·û of the stream before the block"),
        StoredColumn.Of(nameof(Attn), StoredType.Double, "what its attention wrote along û: above 0 written in, below 0 scrubbed out"),
        StoredColumn.Of(nameof(Mlp), StoredType.Double, "what its MLP wrote"),
        StoredColumn.Of(nameof(After), StoredType.Double, "x·û of the stream behind it: before + attn + mlp, but for rounding"),
    ];

    public void AddTo(StoredTable table) => table.Add(Layer, Position, Token, Before, Attn, Mlp, After);

    public static TraceRow Read(RowCells cells) => new(cells.Integer(), cells.Integer(), cells.Text(), cells.Double(), cells.Double(),
        cells.Double(), cells.Double());
}

/// <summary>A row of trace_heads.parquet: what one head wrote along a direction.</summary>
internal sealed record TraceHeadRow(int Layer, int? Head, int Position, double Value) : ITableRow<TraceHeadRow>
{
    public static string Table => "trace_heads";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Layer), Integer, "the block, from 0"),
        StoredColumn.Of(nameof(Head), Integer, "the head there; NULL: b_O"),
        StoredColumn.Of(nameof(Position), Integer, "token position"),
        StoredColumn.Of(nameof(Value), StoredType.Double, "z_h W_O[h]·û; the rows of an attention add up to its `attn` in `trace`"),
    ];

    public void AddTo(StoredTable table) => table.Add(Layer, Head, Position, Value);

    public static TraceHeadRow Read(RowCells cells) =>
        new(cells.Integer(), cells.IntegerOrNull(), cells.Integer(), cells.Double());
}

/// <summary>A row of trace_features.parquet: a feature whose decoder row points along a direction, at one position.</summary>
internal sealed record TraceFeatureRow(string Site, int Feature, double Cosine, int Position, float Activation) : ITableRow<TraceFeatureRow>
{
    public static string Table => "trace_features";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), Varchar, "hook name"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature's column in the dictionary"),
        StoredColumn.Of(nameof(Cosine), StoredType.Double, "of its decoder row with û"),
        StoredColumn.Of(nameof(Position), Integer, "token position"),
        StoredColumn.Of(nameof(Activation), Float, "its activation there; 0 where it is not active"),
    ];

    public void AddTo(StoredTable table) => table.Add(Site, Feature, Cosine, Position, Activation);

    public static TraceFeatureRow Read(RowCells cells) =>
        new(cells.Text(), cells.Integer(), cells.Double(), cells.Integer(), cells.Finite());
}
