using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of validation.parquet: a check by one estimator. The downstream end and the changes are NULL for a node.</summary>
internal sealed record ValidationRow(string Check, string Stratum, string Estimator, string UpSite, int UpPosition, int UpFeature,
    string? DownSite, int? DownPosition, int? DownFeature, float ApproxChange, float ExactChange, float ApproxEffect, float ExactEffect)
    : ITableRow<ValidationRow>
{
    public static IReadOnlyList<TableColumn<ValidationRow>> Columns { get; } =
    [
        new(nameof(Check), Varchar, r => r.Check), new(nameof(Stratum), Varchar, r => r.Stratum),
        new(nameof(Estimator), Varchar, r => r.Estimator), new(nameof(UpSite), Varchar, r => r.UpSite),
        new(nameof(UpPosition), Integer, r => r.UpPosition), new(nameof(UpFeature), Integer, r => r.UpFeature),
        new(nameof(DownSite), Varchar, r => r.DownSite), new(nameof(DownPosition), Integer, r => r.DownPosition),
        new(nameof(DownFeature), Integer, r => r.DownFeature), new(nameof(ApproxChange), Float, r => r.ApproxChange),
        new(nameof(ExactChange), Float, r => r.ExactChange), new(nameof(ApproxEffect), Float, r => r.ApproxEffect),
        new(nameof(ExactEffect), Float, r => r.ExactEffect),
    ];
}

/// <summary>A row of faithfulness.parquet: one circuit of one size in one prompt.</summary>
internal sealed record FaithfulnessRow(string PromptId, string Ablation, string Errors, string Circuit, int? Control, int Nodes,
    double Share, double MetricCircuit, double MetricComplement, double MetricEmpty, double MetricFull, double Faithfulness,
    double Completeness) : ITableRow<FaithfulnessRow>
{
    public static IReadOnlyList<TableColumn<FaithfulnessRow>> Columns { get; } =
    [
        new(nameof(PromptId), Varchar, r => r.PromptId), new(nameof(Ablation), Varchar, r => r.Ablation),
        new(nameof(Errors), Varchar, r => r.Errors), new(nameof(Circuit), Varchar, r => r.Circuit),
        new(nameof(Control), Integer, r => r.Control), new(nameof(Nodes), Integer, r => r.Nodes),
        new(nameof(Share), StoredType.Double, r => r.Share), new(nameof(MetricCircuit), StoredType.Double, r => r.MetricCircuit),
        new(nameof(MetricComplement), StoredType.Double, r => r.MetricComplement),
        new(nameof(MetricEmpty), StoredType.Double, r => r.MetricEmpty), new(nameof(MetricFull), StoredType.Double, r => r.MetricFull),
        new(nameof(Faithfulness), StoredType.Double, r => r.Faithfulness),
        new(nameof(Completeness), StoredType.Double, r => r.Completeness),
    ];
}

/// <summary>A row of curve.parquet: one coefficient at one position.</summary>
internal sealed record CurveRow(double Coefficient, int Position, string Token, float Activation, float Line, string UpSite, int UpFeature,
    string DownSite, int DownFeature, bool Switched, string? Cause) : ITableRow<CurveRow>
{
    public static IReadOnlyList<TableColumn<CurveRow>> Columns { get; } =
    [
        new(nameof(Coefficient), StoredType.Double, r => r.Coefficient), new(nameof(Position), Integer, r => r.Position),
        new(nameof(Token), Varchar, r => r.Token), new(nameof(Activation), Float, r => r.Activation),
        new(nameof(Line), Float, r => r.Line), new(nameof(UpSite), Varchar, r => r.UpSite),
        new(nameof(UpFeature), Integer, r => r.UpFeature), new(nameof(DownSite), Varchar, r => r.DownSite),
        new(nameof(DownFeature), Integer, r => r.DownFeature), new(nameof(Switched), StoredType.Boolean, r => r.Switched),
        new(nameof(Cause), Varchar, r => r.Cause),
    ];
}

/// <summary>A row of a circuit's table: one next token of one prompt and circuit.</summary>
internal sealed record CircuitRow(string PromptId, string Circuit, int TokenId, string Token, double CleanProbability, double Probability,
    double Change, double RelativeChange) : ITableRow<CircuitRow>
{
    public static IReadOnlyList<TableColumn<CircuitRow>> Columns { get; } =
    [
        new(nameof(PromptId), Varchar, r => r.PromptId), new(nameof(Circuit), Varchar, r => r.Circuit),
        new(nameof(TokenId), Integer, r => r.TokenId), new(nameof(Token), Varchar, r => r.Token),
        new(nameof(CleanProbability), StoredType.Double, r => r.CleanProbability),
        new(nameof(Probability), StoredType.Double, r => r.Probability), new(nameof(Change), StoredType.Double, r => r.Change),
        new(nameof(RelativeChange), StoredType.Double, r => r.RelativeChange),
    ];
}

/// <summary>A row of tokens.parquet: a next token that an ablation moved.</summary>
internal sealed record TokenRow(string Site, int Position, int Feature, string Direction, int Rank, int TokenId, string Token,
    float CleanProbability, float AblatedProbability, float Change) : ITableRow<TokenRow>
{
    public static IReadOnlyList<TableColumn<TokenRow>> Columns { get; } =
    [
        new(nameof(Site), Varchar, r => r.Site), new(nameof(Position), Integer, r => r.Position),
        new(nameof(Feature), Integer, r => r.Feature), new(nameof(Direction), Varchar, r => r.Direction),
        new(nameof(Rank), Integer, r => r.Rank), new(nameof(TokenId), Integer, r => r.TokenId), new(nameof(Token), Varchar, r => r.Token),
        new(nameof(CleanProbability), Float, r => r.CleanProbability),
        new(nameof(AblatedProbability), Float, r => r.AblatedProbability), new(nameof(Change), Float, r => r.Change),
    ];
}
