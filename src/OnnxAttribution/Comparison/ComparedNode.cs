using OnnxAttribution.Store;
using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Comparison;

/// <summary>A node that two runs, A and B, have or one of them has: a row of compared_nodes.parquet.</summary>
/// <param name="Site">TransformerLens hook name.</param>
/// <param name="Position">Token position from 0, BOS counted; −1 where positions are summed.</param>
/// <param name="Feature">The feature's row of W_dec, from 0; −1: the error node.</param>
/// <param name="Presence">In which graphs it is kept.</param>
/// <param name="EffectA">Its effect in A, in the metric's unit of A, kept or not; NaN where A does not say.</param>
/// <param name="EffectB">Its effect in B, in the metric's unit of B, kept or not; NaN where B does not say.</param>
public sealed record ComparedNode(string Site, int Position, int Feature, Presence Presence, float EffectA, float EffectB)
    : ITableRow<ComparedNode>
{
    /// <summary>The token's text in A; null where A has no such node, or positions are summed.</summary>
    public string? TokenA { get; init; }

    /// <summary>The token's text in B; null likewise.</summary>
    public string? TokenB { get; init; }

    /// <summary>Its activation in A's clean run, in activation units of the dictionary, summed where positions are; NaN where it has none.
    /// </summary>
    public float ActivationA { get; init; } = float.NaN;

    /// <summary>Its activation in B's clean run, in the same activation units; NaN likewise.</summary>
    public float ActivationB { get; init; } = float.NaN;

    static string ITableRow<ComparedNode>.Table => ComparedTables.Nodes;

    static StoredColumn[] ITableRow<ComparedNode>.Columns { get; } =
    [
        StoredColumn.Of(nameof(Site), Varchar, "hook name"),
        StoredColumn.Of(nameof(Position), Integer, "token position from 0, BOS counted; −1 where positions are summed"),
        StoredColumn.Of(nameof(TokenA), Varchar, "the token's text in A; NULL where A has no such node, or positions are summed"),
        StoredColumn.Of(nameof(TokenB), Varchar, "likewise in B"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature's column in the dictionary; −1: the error node"),
        StoredColumn.Of(nameof(Presence), Varchar, "which graphs keep it: `both`, `opposite` (both, with opposite signs), `a` or `b`"),
        StoredColumn.Of(nameof(EffectA), Float, "its effect in A, kept or not; NULL where A does not say"),
        StoredColumn.Of(nameof(EffectB), Float, "likewise in B"),
        StoredColumn.Of(nameof(ActivationA), Float, "its activation in A's clean run; NULL where it has none"),
        StoredColumn.Of(nameof(ActivationB), Float, "likewise in B"),
    ];

    void ITableRow<ComparedNode>.AddTo(StoredTable table) => table.Add(Site, Position, TokenA, TokenB, Feature, PresenceText.Of(Presence),
        EffectA, EffectB, ActivationA, ActivationB);

    static ComparedNode ITableRow<ComparedNode>.Read(RowCells cells)
    {
        var (site, position) = (cells.Text(), cells.Integer());
        var (tokenA, tokenB) = (cells.TextOrNull(), cells.TextOrNull());
        var (feature, presence) = (cells.Integer(), PresenceText.Read(cells.Text()));
        return new ComparedNode(site, position, feature, presence, cells.Float(), cells.Float())
        {
            TokenA = tokenA,
            TokenB = tokenB,
            ActivationA = cells.Float(),
            ActivationB = cells.Float(),
        };
    }
}

/// <summary>Names of a comparison's tables.</summary>
internal static class ComparedTables
{
    public const string Nodes = "compared_nodes", Edges = "compared_edges";
}
