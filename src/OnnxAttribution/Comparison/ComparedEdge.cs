using OnnxAttribution.Store;
using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Comparison;

/// <summary>An edge that two runs, A and B, have or one of them has: a row of compared_edges.parquet.</summary>
/// <param name="Up">The upstream node.</param>
/// <param name="Down">The downstream node; the metric's site is <c>metric</c>, its position −1 and its feature −1.</param>
/// <param name="Presence">In which graphs it is.</param>
/// <param name="EffectA">Its effect in A, in the metric's unit of A; NaN where A does not have it.</param>
/// <param name="EffectB">Its effect in B, in the metric's unit of B; NaN where B does not have it.</param>
public sealed record ComparedEdge(ComparedEnd Up, ComparedEnd Down, Presence Presence, float EffectA, float EffectB)
    : ITableRow<ComparedEdge>
{
    static string ITableRow<ComparedEdge>.Table => ComparedTables.Edges;

    static StoredColumn[] ITableRow<ComparedEdge>.Columns { get; } =
    [
        StoredColumn.Of("UpSite", Varchar, "hook name of the upstream node"),
        StoredColumn.Of("UpPosition", Integer, "its position; −1 where positions are summed"),
        StoredColumn.Of("UpFeature", Integer, "its feature; −1: an error node"),
        StoredColumn.Of("DownSite", Varchar, "hook name of the downstream node, or `metric`"),
        StoredColumn.Of("DownPosition", Integer, "its position; −1 where positions are summed, and of the metric"),
        StoredColumn.Of("DownFeature", Integer, "its feature; −1: an error node, or the metric"),
        StoredColumn.Of(nameof(Presence), Varchar, "which graphs have it: `both`, `opposite` (both, with opposite signs), `a` or `b`"),
        StoredColumn.Of(nameof(EffectA), Float, "its effect in A; NULL where A does not have it"),
        StoredColumn.Of(nameof(EffectB), Float, "likewise in B"),
    ];

    void ITableRow<ComparedEdge>.AddTo(StoredTable table) => table.Add(Up.Site, Up.Position, Up.Feature, Down.Site, Down.Position,
        Down.Feature, PresenceText.Of(Presence), EffectA, EffectB);

    static ComparedEdge ITableRow<ComparedEdge>.Read(RowCells cells) =>
        new(new(cells.Text(), cells.Integer(), cells.Integer()), new(cells.Text(), cells.Integer(), cells.Integer()),
            PresenceText.Read(cells.Text()), cells.Float(), cells.Float());
}

/// <summary>An end of a compared edge.</summary>
/// <param name="Site">TransformerLens hook name, or <c>metric</c>.</param>
/// <param name="Position">Token position from 0, BOS counted; −1 where positions are summed, and of the metric.</param>
/// <param name="Feature">The feature's row of W_dec, from 0; −1: the error node, or the metric.</param>
public readonly record struct ComparedEnd(string Site, int Position, int Feature);
