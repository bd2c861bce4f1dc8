using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>A feature that is active at a position of a prompt: a row of <c>active.parquet</c>.</summary>
/// <param name="Site">Hook name of its dictionary's site.</param>
/// <param name="Position">Token position from 0, BOS counted.</param>
/// <param name="Token">The token's text there.</param>
/// <param name="Feature">Its column in the dictionary.</param>
/// <param name="Activation">f, in activation units of the dictionary; 0 where only the prompt it is set against has it.</param>
/// <param name="Norm">f · ‖decoder row‖: how long what it writes into the site is, in activation units of the model.</param>
/// <param name="Share">A share, no unit, from 0 to 1: f over the sum of all activations at that site and position, their L1 norm.</param>
/// <remarks>Conmy and Nanda 2024, <i>Activation Steering with SAEs</i>.</remarks>
public sealed record ActiveFeature(string Site, int Position, string Token, int Feature, float Activation, float Norm, float Share)
    : ITableRow<ActiveFeature>
{
    /// <summary>Share of a text's tokens at which it is active, from 0 to 1; NaN where the bundle's features.parquet does not say.
    /// </summary>
    public float FiringRate { get; init; } = float.NaN;

    /// <summary>What it is said to stand for; null: nobody says it.</summary>
    public string? Label { get; init; }

    /// <summary>Text of the other prompt's token; null without one.</summary>
    public string? AgainstToken { get; init; }

    /// <summary>f there, in the same activation units; NaN without another prompt.</summary>
    public float AgainstActivation { get; init; } = float.NaN;

    /// <summary>Length of the difference that it writes, in activation units of the model: (f · scale − f there · scale there) ·
    /// ‖decoder row‖, below 0 where it is weaker here; NaN without another prompt.</summary>
    public float ChangeNorm { get; init; } = float.NaN;

    static string ITableRow<ActiveFeature>.Table => "active";

    static StoredColumn[] ITableRow<ActiveFeature>.Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), StoredType.Varchar, "hook name of the dictionary's site"),
        StoredColumn.Of(nameof(Position), StoredType.Integer, "token position from 0, BOS counted"),
        StoredColumn.Of(nameof(Token), StoredType.Varchar, "the token there"),
        StoredColumn.Of(nameof(Feature), StoredType.Integer, "the feature's column in the dictionary"),
        StoredColumn.Of(nameof(Activation), StoredType.Float, "f; 0 where only the other prompt has it"),
        StoredColumn.Of(nameof(Norm), StoredType.Float, "f · ‖decoder row‖, in the site's units"),
        StoredColumn.Of(nameof(Share), StoredType.Float, "of the sum of all activations at that site and position"),
        StoredColumn.Of(nameof(FiringRate), StoredType.Float,
            "share of a text's tokens at which it is active; NULL where no text was read"),
        StoredColumn.Of(nameof(Label), StoredType.Varchar, "what it is said to stand for; NULL: nobody says it"),
        StoredColumn.Of(nameof(AgainstToken), StoredType.Varchar, "the other prompt's token; NULL without one"),
        StoredColumn.Of(nameof(AgainstActivation), StoredType.Float, "f there; NULL without one"),
        StoredColumn.Of(nameof(ChangeNorm), StoredType.Float,
            "difference of the activations · ‖decoder row‖: below 0 where it is weaker here; NULL without another prompt"),
    ];

    void ITableRow<ActiveFeature>.AddTo(StoredTable table) => table.Add(Site, Position, Token, Feature, Activation, Norm, Share, FiringRate,
        Label, AgainstToken, AgainstActivation, ChangeNorm);

    static ActiveFeature ITableRow<ActiveFeature>.Read(RowCells cells) =>
        new(cells.Text(), cells.Integer(), cells.Text(), cells.Integer(), cells.Float(), cells.Float(), cells.Float())
        {
            FiringRate = cells.Float(),
            Label = cells.TextOrNull(),
            AgainstToken = cells.TextOrNull(),
            AgainstActivation = cells.Float(),
            ChangeNorm = cells.Float(),
        };
}
