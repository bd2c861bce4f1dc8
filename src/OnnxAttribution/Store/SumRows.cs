using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of <c>sums/nodes</c>: a feature's sums over a part's prompts and all positions, or an error node's.</summary>
internal sealed record NodeSumRow(string Site, int Feature) : ITableRow<NodeSumRow>
{
    static string ITableRow<NodeSumRow>.Table => DatasetNames.NodeSums;

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), Varchar, "hook name"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature's column in the dictionary; −1: error node"),
        StoredColumn.Of(nameof(Active), Integer, "prompts that have the node"),
        StoredColumn.Of(nameof(Kept), Integer, "prompts that keep it"),
        StoredColumn.Of(nameof(Activation), StoredType.Double, "sum of activations"),
        StoredColumn.Of(nameof(PatchActivation), StoredType.Double, "sum of activations in the patch runs"),
        StoredColumn.Of(nameof(Effect), StoredType.Double, "sum of effects"),
        StoredColumn.Of(nameof(Attribution), StoredType.Double, "sum of linear estimates"),
        StoredColumn.Of(nameof(Exact), StoredType.Double, "sum of really patched effects; NULL where one is not known"),
        StoredColumn.Of(nameof(SquaredError), StoredType.Double, "sum of squares of `effect_error`; NULL where one is not known"),
        StoredColumn.Of(nameof(Method), Varchar, "what the effects are; `mixed` of several"),
    ];

    public required int Active { get; init; }

    public required int Kept { get; init; }

    public required double Activation { get; init; }

    public required double PatchActivation { get; init; }

    public required double Effect { get; init; }

    public required double Attribution { get; init; }

    public required double Exact { get; init; }

    public required double SquaredError { get; init; }

    public required string Method { get; init; }

    public void AddTo(StoredTable table) => table.Add(Site, Feature, Active, Kept, Activation, PatchActivation, Effect, Attribution, Exact,
        SquaredError, Method);

    public static NodeSumRow Read(RowCells cells) => new(cells.Text(), cells.Integer())
    {
        Active = cells.Integer(),
        Kept = cells.Integer(),
        Activation = cells.Double(),
        PatchActivation = cells.Double(),
        Effect = cells.Double(),
        Attribution = cells.Double(),
        Exact = cells.Double(),
        SquaredError = cells.Double(),
        Method = cells.Text(),
    };
}

/// <summary>A row of <c>sums/moved</c>: what is known of a prompt's node beyond a linear estimate.</summary>
/// <param name="Line">Of the file of prompts.</param>
internal sealed record MovedRow(int Line, string Site, int Position, int Feature, float Effect, string Method) : ITableRow<MovedRow>
{
    static string ITableRow<MovedRow>.Table => DatasetNames.Moved;

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Line), Integer, "the prompt's line in the file of prompts"),
        StoredColumn.Of(nameof(Site), Varchar, "hook name"),
        StoredColumn.Of(nameof(Position), Integer, "token position from 0, BOS counted"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature's column in the dictionary; −1: error node"),
        StoredColumn.Of(nameof(Effect), Float, "as in `nodes`"),
        StoredColumn.Of(nameof(Method), Varchar, "as in `nodes`"),
    ];

    public void AddTo(StoredTable table) => table.Add(Line, Site, Position, Feature, Effect, Method);

    public static MovedRow Read(RowCells cells) =>
        new(cells.Integer(), cells.Text(), cells.Integer(), cells.Integer(), cells.Float(), cells.Text());
}

/// <summary>A row of <c>sums/effects</c>: a prompt's effect of a node of the mean, summed over positions.</summary>
/// <param name="Line">Of the file of prompts.</param>
internal sealed record EffectRow(int Line, string Site, int Feature, double Effect) : ITableRow<EffectRow>
{
    static string ITableRow<EffectRow>.Table => DatasetNames.Effects;

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Line), Integer, "the prompt's line in the file of prompts"),
        StoredColumn.Of(nameof(Site), Varchar, "hook name"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature's column in the dictionary; −1: error node"),
        StoredColumn.Of(nameof(Effect), StoredType.Double, "summed over positions"),
    ];

    public void AddTo(StoredTable table) => table.Add(Line, Site, Feature, Effect);

    public static EffectRow Read(RowCells cells) => new(cells.Integer(), cells.Text(), cells.Integer(), cells.Double());
}

/// <summary>A row of <c>sums/edges</c>: a prompt's effect of an edge between nodes of the mean, summed over positions.</summary>
/// <param name="Line">Of the file of prompts.</param>
/// <param name="DownFeature">−1 also into the metric.</param>
internal sealed record EdgeSumRow(int Line, string UpSite, int UpFeature, string DownSite, int DownFeature, double Effect)
    : ITableRow<EdgeSumRow>
{
    static string ITableRow<EdgeSumRow>.Table => DatasetNames.EdgeSums;

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Line), Integer, "the prompt's line in the file of prompts"),
        StoredColumn.Of(nameof(UpSite), Varchar, "hook name of the upstream node"),
        StoredColumn.Of(nameof(UpFeature), Integer, "its feature; −1: error node"),
        StoredColumn.Of(nameof(DownSite), Varchar, "hook name of the downstream node, or `metric`"),
        StoredColumn.Of(nameof(DownFeature), Integer, "its feature; −1: error node, or the metric; −2: what switched on there"),
        StoredColumn.Of(nameof(Effect), StoredType.Double, "summed over positions"),
    ];

    public void AddTo(StoredTable table) => table.Add(Line, UpSite, UpFeature, DownSite, DownFeature, Effect);

    public static EdgeSumRow Read(RowCells cells) =>
        new(cells.Integer(), cells.Text(), cells.Integer(), cells.Text(), cells.Integer(), cells.Double());
}
