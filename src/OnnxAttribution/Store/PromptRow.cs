using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of a dataset's <c>prompts</c>: a line of the file of prompts, and what came of it.</summary>
internal sealed record PromptRow(string Run, int Line) : ITableRow<PromptRow>
{
    public const string Table = "prompts";

    static string ITableRow<PromptRow>.Table => Table;

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Run), Varchar, "the prompt's id"),
        StoredColumn.Of(nameof(Line), Integer, "its line in the file of prompts, from 1"),
        StoredColumn.Of(nameof(Label), Varchar, "its `label`, of a template's prompt the template's name; NULL without")
            with { IsLater = true },
        StoredColumn.Of(nameof(Prompt), Varchar, "as it was given; NULL of a line that is none"),
        StoredColumn.Of(nameof(PatchPrompt), Varchar, "NULL without one"),
        StoredColumn.Of(nameof(TokenCount), Integer, "tokens of the prompt, BOS included"),
        StoredColumn.Of(nameof(Target), Varchar, "text of the token that the metric is about; NULL for `kl`"),
        StoredColumn.Of(nameof(TargetId), Integer, "its id"),
        StoredColumn.Of(nameof(Foil), Varchar, "text of the token that `logit-diff` sets it against; NULL for other metrics"),
        StoredColumn.Of(nameof(FoilId), Integer, "its id"),
        StoredColumn.Of(nameof(CleanMetric), Float, "the metric in the clean run"),
        StoredColumn.Of(nameof(PatchMetric), Float, "the metric in the patch run; NULL without one"),
        StoredColumn.Of(nameof(Nodes), Integer, "nodes, kept or not"),
        StoredColumn.Of(nameof(KeptNodes), Integer, "nodes that passed the limits"),
        StoredColumn.Of(nameof(Edges), Integer, "edges"),
        StoredColumn.Of(nameof(ExplainedByFeatures), StoredType.Double,
            "share of all abs(effect) that is features' and not error nodes'"),
        StoredColumn.Of(nameof(Error), Varchar, "why there is no graph; NULL where there is one"),
    ];

    public string? Label { get; init; }

    public string? Prompt { get; init; }

    public string? PatchPrompt { get; init; }

    public int? TokenCount { get; init; }

    public string? Target { get; init; }

    public int? TargetId { get; init; }

    public string? Foil { get; init; }

    public int? FoilId { get; init; }

    public float CleanMetric { get; init; } = float.NaN;

    public float PatchMetric { get; init; } = float.NaN;

    public int? Nodes { get; init; }

    public int? KeptNodes { get; init; }

    public int? Edges { get; init; }

    public double ExplainedByFeatures { get; init; } = double.NaN;

    public string? Error { get; init; }

    public void AddTo(StoredTable table) => table.Add(Run, Line, Label, Prompt, PatchPrompt, TokenCount, Target, TargetId, Foil, FoilId,
        CleanMetric, PatchMetric, Nodes, KeptNodes, Edges, ExplainedByFeatures, Error);

    public static PromptRow Read(RowCells cells) => new(cells.Text(), cells.Integer())
    {
        Label = cells.TextOrNull(),
        Prompt = cells.TextOrNull(),
        PatchPrompt = cells.TextOrNull(),
        TokenCount = cells.IntegerOrNull(),
        Target = cells.TextOrNull(),
        TargetId = cells.IntegerOrNull(),
        Foil = cells.TextOrNull(),
        FoilId = cells.IntegerOrNull(),
        CleanMetric = cells.Float(),
        PatchMetric = cells.Float(),
        Nodes = cells.IntegerOrNull(),
        KeptNodes = cells.IntegerOrNull(),
        Edges = cells.IntegerOrNull(),
        ExplainedByFeatures = cells.Double(),
        Error = cells.TextOrNull(),
    };
}
