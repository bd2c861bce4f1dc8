using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>nodes.parquet: its columns, which are the properties of <see cref="NodeRow"/>, and a node's way into them and out.
/// Nodes go there without a table in memory: runs have millions.</summary>
internal static class NodeTable
{
    public const string Site = "site", Position = "position", Feature = "feature", Effect = "effect", Kept = "kept";

    private const string Gradient = "gradient";

    /// <summary>In the order of the file, which is that of <see cref="Set"/> and <see cref="Read"/>.</summary>
    public static StoredColumn[] Columns { get; } =
    [
        new(Site, Varchar, "hook name, such as `blocks.0.hook_resid_pre`"),
        new("layer", Integer, "the number in the hook name"),
        new("kind", Varchar, "`resid`, `attn`, `mlp`, `resid_mid` or `z`"),
        new(Position, Integer, "token position from 0, BOS counted"),
        new("token", Varchar, "text of the token there"),
        new(Feature, Integer, "the feature's column in the dictionary; −1: error node"),
        new("activation", Float, "in the clean run; for an error node the norm of what was missed"),
        new("patch_activation", Float, "in the patch run; 0 without one"),
        new(Gradient, Float, "of the metric by the activation; NULL for an error node"),
        new(Effect, Float, "change of the metric when the node alone moves to its patch value; of `ablate`: exact"),
        new(Kept, StoredType.Boolean, "whether the node passed the limits"),
    ];

    /// <summary>A SELECT list with names and types, for a <see cref="DuckDbSource"/>.</summary>
    public static string Shape => string.Join(", ", Columns.Select(c => $"NULL::{c.SqlType} AS {c.Name}"));

    /// <summary>A SELECT list that <see cref="Read"/> reads.</summary>
    public static string Select => string.Join(", ",
        Columns.Select(c => $"{(c.Name is Gradient or Effect ? $"coalesce({c.Name}, 'nan')" : c.Name)}::{c.SqlType}"));

    /// <summary>Puts a node into a row of DuckDB's memory.</summary>
    public static void Set(DuckDbVectors vectors, int row, in NodeRow node)
    {
        vectors.SetText(0, row, node.Site);
        vectors.Column<int>(1)[row] = node.Layer;
        vectors.SetText(2, row, node.Kind);
        vectors.Column<int>(3)[row] = node.Position;
        vectors.SetText(4, row, node.Token);
        vectors.Column<int>(5)[row] = node.Feature;
        vectors.Column<float>(6)[row] = node.Activation;
        vectors.Column<float>(7)[row] = node.PatchActivation;
        vectors.Column<float>(8)[row] = node.Gradient;
        if (float.IsNaN(node.Gradient)) vectors.SetNull(8, row);
        vectors.Column<float>(9)[row] = node.Effect;
        if (float.IsNaN(node.Effect)) vectors.SetNull(9, row);
        vectors.Column<byte>(10)[row] = node.Kept ? (byte)1 : (byte)0;
    }

    /// <summary>The node of a row.</summary>
    /// <param name="rows">Of <see cref="Select"/>.</param>
    /// <param name="interned">Texts read before: the same few sites, kinds and tokens come thousands of times.</param>
    /// <exception cref="InvalidCastException">There is NULL where a value belongs.</exception>
    public static NodeRow Read(DuckDbRows rows, Dictionary<string, string> interned)
    {
        return new NodeRow(Text(0), rows.Value<int>(1), Text(2), rows.Value<int>(3), Text(4), rows.Value<int>(5),
            rows.Value<float>(6), rows.Value<float>(7), rows.Value<float>(8), rows.Value<float>(9), rows.Value<bool>(10));

        string Text(int column)
        {
            var text = rows.Value<string>(column);
            return interned.TryGetValue(text, out var same) ? same : interned[text] = text;
        }
    }
}
