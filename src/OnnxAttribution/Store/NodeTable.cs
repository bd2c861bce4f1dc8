using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>nodes.parquet: its columns, which are the properties of <see cref="NodeRow"/>, and a node's way into them and out.
/// Nodes go there without a table in memory: runs have millions.</summary>
internal static class NodeTable
{
    public const string Site = "site", Position = "position", Feature = "feature", Effect = "effect", Kept = "kept";

    private const string Gradient = "gradient", Contribution = "contribution", Attribution = "attribution", Exact = "exact",
        Method = "method", EffectError = "effect_error", Influence = "influence", Component = "component";

    /// <summary>In the order of the file, which is that of <see cref="Set"/> and <see cref="Read"/>.</summary>
    public static StoredColumn[] Columns { get; } =
    [
        new(Site, Varchar, "hook name, such as `blocks.0.hook_resid_pre`"),
        new("layer", Integer, "the number in the hook name"),
        new("kind", Varchar, "`resid`, `attn`, `mlp`, `resid_mid` or `z`"),
        new(Position, Integer, "token position from 0, BOS counted; −1: summed; of an error: all positions without a row of their own"),
        new("token", Varchar, "text of the token there"),
        new(Feature, Integer, "the feature's column in the dictionary; −1: error node"),
        new("activation", Float,
            "in the clean run; for an error node the norm of what was missed; summed over all positions that the row is of"),
        new("patch_activation", Float, "in the patch run; 0 without one"),
        new(Gradient, Float, "of the metric by the activation; NULL for an error node"),
        new(Effect, Float, "change of the metric when the node alone moves to its patch value: the best number known, by `method`"),
        new(Kept, StoredType.Boolean, "whether the node passed the limits"),
        new(Contribution, Float, "what the node's clean value does for the metric: −effect; of `ablate` by a coefficient above 1: effect"),
        new(Attribution, Float, "the linear estimate of the effect: gradient times change; of `ablate`: NULL"),
        new(Exact, Float, "the effect with the node really patched; NULL where that was not measured"),
        new(Method, Varchar, "what `effect` is: `attribution`, `ig`, `atpstar`, `depth-1`, …, `exact`; `mixed` of a sum over several"),
        new(EffectError, Float, "an estimate of abs(effect − exact); 0 where it is exact, NULL where nothing is known"),
        new(Influence, Float,
            "of a graph with output tokens: cumulative share of the influence on them, strongest node first (circuit-tracer's)"),
        new(Component, Integer,
            "separate circuit: what kept edges join without the metric, from 1 by strongest edge; NULL without such an edge"),
    ];

    /// <summary>A SELECT list with names and types, for a <see cref="DuckDbSource"/>.</summary>
    public static string Shape => string.Join(", ", Columns.Select(c => $"NULL::{c.SqlType} AS {c.Name}"));

    /// <summary>A SELECT list that <see cref="Read"/> reads.</summary>
    public static string Select => string.Join(", ",
        Columns.Where(c => c.Name != Contribution).Select(c => c.Name switch
        {
            Gradient or Effect or Attribution or Exact or EffectError or Influence => $"coalesce({c.Name}, 'nan')::{c.SqlType}",
            Method => $"coalesce({c.Name}, '')",
            Component => $"coalesce({c.Name}, 0)::{c.SqlType}",
            _ => $"{c.Name}::{c.SqlType}",
        }));

    /// <summary>A file's rows, with NULL in columns that files of earlier versions lack.</summary>
    /// <param name="file">The file's rows in SQL.</param>
    public static string From(string file)
    {
        var since = Columns.Where(c => c.Name is Attribution or Exact or Method or EffectError or Influence or Component);
        return $"(FROM {file} UNION ALL BY NAME SELECT {string.Join(", ", since.Select(c => $"NULL::{c.SqlType} AS {c.Name}"))} "
            + "WHERE false)";
    }

    /// <summary>Puts a node into a row of DuckDB's memory.</summary>
    /// <param name="signOfClean">As in <see cref="RunRecord.SignOfClean"/>.</param>
    public static void Set(DuckDbVectors vectors, int row, in NodeRow node, int signOfClean)
    {
        vectors.SetText(0, row, node.Site);
        vectors.Column<int>(1)[row] = node.Layer;
        vectors.SetText(2, row, node.Kind);
        vectors.Column<int>(3)[row] = node.Position;
        vectors.SetText(4, row, node.Token);
        vectors.Column<int>(5)[row] = node.Feature;
        vectors.Column<float>(6)[row] = node.Activation;
        vectors.Column<float>(7)[row] = node.PatchActivation;
        SetNumber(vectors, 8, row, node.Gradient);
        SetNumber(vectors, 9, row, node.Effect);
        vectors.Column<byte>(10)[row] = node.Kept ? (byte)1 : (byte)0;
        SetNumber(vectors, 11, row, signOfClean * node.Effect);
        SetNumber(vectors, 12, row, node.Attribution);
        SetNumber(vectors, 13, row, node.Exact);
        if (node.Method is { } method) vectors.SetText(14, row, method);
        else vectors.SetNull(14, row);
        SetNumber(vectors, 15, row, node.EffectError);
        SetNumber(vectors, 16, row, node.Influence);
        vectors.Column<int>(17)[row] = node.Component ?? 0;
        if (node.Component is null) vectors.SetNull(17, row);
    }

    /// <summary>The node of a row.</summary>
    /// <param name="rows">Of <see cref="Select"/>.</param>
    /// <param name="interned">Texts read before: the same few sites, kinds and tokens come thousands of times.</param>
    /// <exception cref="InvalidCastException">There is NULL where a value belongs.</exception>
    public static NodeRow Read(DuckDbRows rows, Dictionary<string, string> interned)
    {
        return new NodeRow(Text(0), rows.Value<int>(1), Text(2), rows.Value<int>(3), Text(4), rows.Value<int>(5),
            rows.Value<float>(6), rows.Value<float>(7), rows.Value<float>(8), rows.Value<float>(9), rows.Value<bool>(10))
        {
            Attribution = rows.Value<float>(11),
            Exact = rows.Value<float>(12),
            Method = Text(13) is { Length: > 0 } method ? method : null,
            EffectError = rows.Value<float>(14),
            Influence = rows.Value<float>(15),
            Component = rows.Value<int>(16) is > 0 and var circuit ? circuit : null,
        };

        string Text(int column)
        {
            var text = rows.Value<string>(column);
            return interned.TryGetValue(text, out var same) ? same : interned[text] = text;
        }
    }

    private static void SetNumber(DuckDbVectors vectors, int column, int row, float value)
    {
        vectors.Column<float>(column)[row] = value;
        if (float.IsNaN(value)) vectors.SetNull(column, row);
    }
}
