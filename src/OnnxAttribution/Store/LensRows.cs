using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of lens.parquet: the residual stream at one place, read as if it were the last.</summary>
internal sealed record LensRow(string Site, double Depth, int? Position, string? Token, double Value) : ITableRow<LensRow>
{
    public static string Table => "lens";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), Varchar, "hook name of the stream there"),
        StoredColumn.Of(nameof(Depth), StoredType.Double,
            "blocks passed: l before block l, l + 0.5 between its attention and its MLP, the number of blocks at the end"),
        StoredColumn.Of(nameof(Position), Integer, "token position; NULL of a mean over prompts, each read at its metric's"),
        StoredColumn.Of(nameof(Token), Varchar, "the token there; NULL likewise"),
        StoredColumn.Of(nameof(Value), StoredType.Double,
            "the metric there, in logits, the final norm's bias included; by the scale that `lens.json` names"),
    ];

    public void AddTo(StoredTable table) => table.Add(Site, Depth, Position, Token, Value);

    public static LensRow Read(RowCells cells) =>
        new(cells.Text(), cells.Double(), cells.IntegerOrNull(), cells.TextOrNull(), cells.Double());
}

/// <summary>A row of lens_tokens.parquet: a token that the stream at one place makes likely.</summary>
internal sealed record LensTokenRow(string Site, double Depth, int Position, int Rank, string Token, int TokenId, float Logit,
    float Probability) : ITableRow<LensTokenRow>
{
    public static string Table => "lens_tokens";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), Varchar, "hook name of the stream there"),
        StoredColumn.Of(nameof(Depth), StoredType.Double, "blocks passed, as in `lens`"),
        StoredColumn.Of(nameof(Position), Integer, "token position"),
        StoredColumn.Of(nameof(Rank), Integer, "1: the likeliest next token, read there"),
        StoredColumn.Of(nameof(Token), Varchar, "its text"),
        StoredColumn.Of(nameof(TokenId), Integer, "its id"),
        StoredColumn.Of(nameof(Logit), Float, "its logit, below a soft cap"),
        StoredColumn.Of(nameof(Probability), Float, "its probability, from 0 to 1"),
    ];

    public void AddTo(StoredTable table) => table.Add(Site, Depth, Position, Rank, Token, TokenId, Logit, Probability);

    public static LensTokenRow Read(RowCells cells) => new(cells.Text(), cells.Double(), cells.Integer(), cells.Integer(), cells.Text(),
        cells.Integer(), cells.Finite(), cells.Finite());
}

/// <summary>A row of summands.parquet: what one summand of the final residual stream adds to the metric.</summary>
internal sealed record SummandRow(string Kind, string Name, string? Of, int? Layer, int? Head, int? Feature, float Activation,
    double Value) : ITableRow<SummandRow>
{
    public static string Table => "summands";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Kind), Varchar, "`embed`, `pos_embed`, `attn`, `mlp`, `norm_bias`; of parts `head`, `head_bias`, "
            + "`feature`, `error`, `dictionary_bias`"),
        StoredColumn.Of(nameof(Name), Varchar, "`3.attn`, head `3.2`, feature `2:428`, …"),
        StoredColumn.Of(nameof(Of), Varchar, "NULL: a whole summand, and these add up to the metric; else the tensor that it is a part of"),
        StoredColumn.Of(nameof(Layer), Integer, "the block; NULL where it is of none"),
        StoredColumn.Of(nameof(Head), Integer, "the head there; NULL where it is none"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature; −1: what the dictionary missed; NULL where it is none"),
        StoredColumn.Of(nameof(Activation), Float, "the feature's activation, the error's norm; NULL of others and of means"),
        StoredColumn.Of(nameof(Value), StoredType.Double, "in logits; of many prompts the mean"),
    ];

    public void AddTo(StoredTable table) => table.Add(Kind, Name, Of, Layer, Head, Feature, Activation, Value);

    public static SummandRow Read(RowCells cells) => new(cells.Text(), cells.Text(), cells.TextOrNull(), cells.IntegerOrNull(),
        cells.IntegerOrNull(), cells.IntegerOrNull(), cells.Float(), cells.Double());
}
