using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of validation.parquet: a check by one estimator. The downstream end and the changes are NULL for a node.</summary>
internal sealed record ValidationRow(string Check, string Stratum, string Estimator, string UpSite, int UpPosition, int UpFeature,
    string? DownSite, int? DownPosition, int? DownFeature, float ApproxChange, float ExactChange, float ApproxEffect, float ExactEffect)
    : ITableRow<ValidationRow>
{
    /// <summary><see cref="Model"/> where the model itself was run.</summary>
    public const string Real = "real";

    /// <summary>Which model was run: <see cref="Real"/>, or <c>replacement</c>.</summary>
    public string Model { get; init; } = Real;

    public static string Table => "validation";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Check), Varchar, "`node` or `edge`; a word of SQL's own, so write `\"check\"` there"),
        StoredColumn.Of(nameof(Stratum), Varchar, "`strongest`, `kept` or `dropped`"),
        StoredColumn.Of(nameof(Estimator), Varchar, "`gradient`, `ig`, `relp`, `frozen`, `gim`, `atpstar`; "
            + "the run's own such as `gradient-refined-exact-edges`"),
        StoredColumn.Of(nameof(UpSite), Varchar, "of the node, or of the edge's upstream end"),
        StoredColumn.Of(nameof(UpPosition), Integer, "likewise"),
        StoredColumn.Of(nameof(UpFeature), Integer, "likewise"),
        StoredColumn.Of(nameof(DownSite), Varchar, "of the edge's downstream end; NULL for a node"),
        StoredColumn.Of(nameof(DownPosition), Integer, "likewise"),
        StoredColumn.Of(nameof(DownFeature), Integer, "likewise; NULL into the metric too"),
        StoredColumn.Of(nameof(ApproxChange), Float, "estimated change of the downstream activation; NULL for a node"),
        StoredColumn.Of(nameof(ExactChange), Float, "the real one"),
        StoredColumn.Of(nameof(ApproxEffect), Float, "estimated change of the metric"),
        StoredColumn.Of(nameof(ExactEffect), Float,
            "the real one; of an edge: the exact change times the run's own gradient at the downstream node"),
        StoredColumn.Of(nameof(Model), Varchar, "which model was run: `real`, or `replacement` (transcoders for MLPs), of which nodes have "
            + "rows for both") with { IsLater = true },
    ];

    public void AddTo(StoredTable table) => table.Add(Check, Stratum, Estimator, UpSite, UpPosition, UpFeature, DownSite, DownPosition,
        DownFeature, ApproxChange, ExactChange, ApproxEffect, ExactEffect, Model);

    public static ValidationRow Read(RowCells cells) => new(cells.Text(), cells.Text(), cells.Text(), cells.Text(), cells.Integer(),
        cells.Integer(), cells.TextOrNull(), cells.IntegerOrNull(), cells.IntegerOrNull(), cells.Float(), cells.Float(), cells.Float(),
        cells.Float())
    {
        Model = cells.TextOrNull() ?? Real
    };
}

/// <summary>A row of faithfulness.parquet: one circuit of one size in one prompt.</summary>
internal sealed record FaithfulnessRow(string PromptId, string Ablation, string Errors, string Circuit, int? Control, int Nodes,
    double Share, double MetricCircuit, double MetricComplement, double MetricEmpty, double MetricFull, double Faithfulness,
    double Completeness) : ITableRow<FaithfulnessRow>
{
    public static string Table => "faithfulness";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(PromptId), Varchar, "the prompt"),
        StoredColumn.Of(nameof(Ablation), Varchar, "`zero`, `mean` or `patch`"),
        StoredColumn.Of(nameof(Errors), Varchar, "`keep`, `remove` or `nodes`"),
        StoredColumn.Of(nameof(Circuit), Varchar, "`top`, or `random` for a control"),
        StoredColumn.Of(nameof(Control), Integer, "number of the control; NULL for `top`"),
        StoredColumn.Of(nameof(Nodes), Integer, "nodes kept"),
        StoredColumn.Of(nameof(Share), StoredType.Double, "of all nodes"),
        StoredColumn.Of(nameof(MetricCircuit), StoredType.Double, "metric with only the circuit kept"),
        StoredColumn.Of(nameof(MetricComplement), StoredType.Double, "metric with only the rest kept"),
        StoredColumn.Of(nameof(MetricEmpty), StoredType.Double, "metric with every node ablated"),
        StoredColumn.Of(nameof(MetricFull), StoredType.Double, "metric of the whole model"),
        StoredColumn.Of(nameof(Faithfulness), StoredType.Double, "(circuit − empty) / (full − empty); NULL where full = empty"),
        StoredColumn.Of(nameof(Completeness), StoredType.Double, "(complement − empty) / (full − empty); NULL where full = empty"),
    ];

    public void AddTo(StoredTable table) => table.Add(PromptId, Ablation, Errors, Circuit, Control, Nodes, Share, MetricCircuit,
        MetricComplement, MetricEmpty, MetricFull, Faithfulness, Completeness);

    public static FaithfulnessRow Read(RowCells cells) => new(cells.Text(), cells.Text(), cells.Text(), cells.Text(),
        cells.IntegerOrNull(), cells.Integer(), cells.Double(), cells.Double(), cells.Double(), cells.Double(), cells.Double(),
        cells.Double(), cells.Double());
}

/// <summary>A row of curve.parquet: one coefficient at one position.</summary>
internal sealed record CurveRow(double Coefficient, int Position, string Token, float Activation, float Line, string UpSite, int UpFeature,
    string DownSite, int DownFeature, bool Switched, string? Cause) : ITableRow<CurveRow>
{
    public static string Table => "curve";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Coefficient), StoredType.Double, "what the upstream feature is multiplied by"),
        StoredColumn.Of(nameof(Position), Integer, "where the downstream feature is read"),
        StoredColumn.Of(nameof(Token), Varchar, "the token there"),
        StoredColumn.Of(nameof(Activation), Float, "of the downstream feature"),
        StoredColumn.Of(nameof(Line), Float, "what the gradient at the clean run says"),
        StoredColumn.Of(nameof(UpSite), Varchar, "hook name of the feature that is scaled"),
        StoredColumn.Of(nameof(UpFeature), Integer, "the feature"),
        StoredColumn.Of(nameof(DownSite), Varchar, "hook name of the feature that is read"),
        StoredColumn.Of(nameof(DownFeature), Integer, "the feature"),
        StoredColumn.Of(nameof(Switched), StoredType.Boolean, "whether the curve bends between the coefficient before and this one"),
        StoredColumn.Of(nameof(Cause), Varchar, "why; NULL where it does not bend"),
    ];

    public void AddTo(StoredTable table) =>
        table.Add(Coefficient, Position, Token, Activation, Line, UpSite, UpFeature, DownSite, DownFeature, Switched, Cause);

    public static CurveRow Read(RowCells cells) => new(cells.Double(), cells.Integer(), cells.Text(), cells.Float(), cells.Float(),
        cells.Text(), cells.Integer(), cells.Text(), cells.Integer(), cells.Boolean(), cells.TextOrNull());
}

/// <summary>A row of a circuit's table: one next token of one prompt and circuit.</summary>
internal sealed record CircuitRow(string PromptId, string Circuit, int TokenId, string Token, double CleanProbability, double Probability,
    double Change, double RelativeChange) : ITableRow<CircuitRow>
{
    public static string Table => "circuit";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(PromptId), Varchar, "the prompt"),
        StoredColumn.Of(nameof(Circuit), Varchar,
            "`circuit`, `random` (mean of the controls) or `feature 0` (with 1, 2, …, as many as the circuit has at a place)"),
        StoredColumn.Of(nameof(TokenId), Integer, "the next token"),
        StoredColumn.Of(nameof(Token), Varchar, "its text"),
        StoredColumn.Of(nameof(CleanProbability), StoredType.Double, "without the ablation"),
        StoredColumn.Of(nameof(Probability), StoredType.Double, "with it"),
        StoredColumn.Of(nameof(Change), StoredType.Double, "the difference"),
        StoredColumn.Of(nameof(RelativeChange), StoredType.Double, "the difference over the clean probability"),
    ];

    public void AddTo(StoredTable table) =>
        table.Add(PromptId, Circuit, TokenId, Token, CleanProbability, Probability, Change, RelativeChange);

    public static CircuitRow Read(RowCells cells) => new(cells.Text(), cells.Text(), cells.Integer(), cells.Text(), cells.Double(),
        cells.Double(), cells.Double(), cells.Double());
}

/// <summary>A row of tokens.parquet: a next token that an ablation moved.</summary>
internal sealed record TokenRow(string Site, int Position, int Feature, string Direction, int Rank, int TokenId, string Token,
    float CleanProbability, float AblatedProbability, float Change) : ITableRow<TokenRow>
{
    public static string Table => "tokens";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), Varchar, "hook name of what was ablated"),
        StoredColumn.Of(nameof(Position), Integer, "its position; −1: at all its positions"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature"),
        StoredColumn.Of(nameof(Direction), Varchar, "`up` or `down`"),
        StoredColumn.Of(nameof(Rank), Integer, "1 is the largest change"),
        StoredColumn.Of(nameof(TokenId), Integer, "the next token"),
        StoredColumn.Of(nameof(Token), Varchar, "its text"),
        StoredColumn.Of(nameof(CleanProbability), Float, "without the ablation"),
        StoredColumn.Of(nameof(AblatedProbability), Float, "with it"),
        StoredColumn.Of(nameof(Change), Float, "the difference"),
    ];

    public void AddTo(StoredTable table) =>
        table.Add(Site, Position, Feature, Direction, Rank, TokenId, Token, CleanProbability, AblatedProbability, Change);

    public static TokenRow Read(RowCells cells) => new(cells.Text(), cells.Integer(), cells.Integer(), cells.Text(), cells.Integer(),
        cells.Integer(), cells.Text(), cells.Float(), cells.Float(), cells.Float());
}
