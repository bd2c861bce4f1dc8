using static OnnxAttribution.Store.StoredType;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>edges.parquet: its columns, and edges' way into them and out. In memory an end is the index of a node,
/// in the file what names the node; on the way a site is its code in an ENUM, see <see cref="SiteType"/>.</summary>
internal static class EdgeTable
{
    private const string UpSite = "up_site", DownSite = "down_site", DownFeature = "down_feature", Jacobian = "jacobian",
        Change = "change", Contribution = "contribution", Weight = "weight", Component = "component";

    /// <summary>In the order of the file, which is that of <see cref="Set"/> and <see cref="Read"/>.</summary>
    public static StoredColumn[] Columns { get; } =
    [
        new(UpSite, Varchar, "hook name of the upstream node"),
        new("up_position", Integer, "its position, as in `nodes.parquet`"),
        new("up_feature", Integer, "its feature; −1: error node"),
        new(DownSite, Varchar, $"hook name of the downstream node, or `{RunNames.MetricSite}`"),
        new("down_position", Integer, "its position; into the metric the metric's; −1 of what switched on: all positions"),
        new(DownFeature, Integer, "its feature; −1: error node; −2: what switched on there, no node; NULL into the metric (formerly −1)"),
        new(Jacobian, Float,
            "change of the downstream activation per unit of the upstream one; NULL where an end is an error node"),
        new("effect", Float, "what up does for the metric by way of down; of `ablate`: change of the downstream activation"),
        new(Change, Float, "exact change of the downstream activation; NULL where not asked for, into an error node and the metric"),
        new(Contribution, Float,
            "what up's clean value does for the metric by way of down: −effect; of `ablate` by a coefficient above 1: effect"),
        new(Weight, Float,
            "of a graph of transcoders: jacobian times up's clean activation or vector (circuit-tracer's adjacency); else NULL"),
        new(Component, Integer, "the separate circuit of its upstream node, as in `nodes.parquet`"),
    ];

    /// <summary>A SELECT list with names and types, for a <see cref="DuckDbSource"/>.</summary>
    public static string Shape => string.Join(", ",
        Columns.Select(c => $"NULL::{(c.Name is UpSite or DownSite ? SiteType.Name : c.SqlType)} AS {c.Name}"));

    /// <summary>A SELECT list with names and types as the file has them.</summary>
    public static string FileShape => string.Join(", ", Columns.Select(c => $"NULL::{c.SqlType} AS {c.Name}"));

    /// <summary>A SELECT list that makes a file's columns of those of <see cref="Shape"/>.</summary>
    public static string FromShape => $"* REPLACE ({UpSite}::VARCHAR AS {UpSite}, {DownSite}::VARCHAR AS {DownSite})";

    /// <summary>A SELECT list that <see cref="Read"/> reads. A site that no node has becomes NULL, and so an error there.
    /// The metric has no feature; older runs say −1.</summary>
    public static string Select => string.Join(", ", Columns.Where(c => c.Name is not (Contribution or Component)).Select(c => c.Name switch
    {
        UpSite or DownSite => $"enum_code(TRY_CAST({c.Name} AS {SiteType.Name}))::INTEGER",
        DownFeature => $"CASE WHEN {DownSite} = '{RunNames.MetricSite}' THEN -1 ELSE {c.Name}::{c.SqlType} END",
        Jacobian or Change or Weight => $"coalesce({c.Name}, 'nan')::{c.SqlType}",
        _ => $"{c.Name}::{c.SqlType}",
    }));

    /// <summary>A file's rows with all columns, those that it lacks NULL: earlier versions did not write them all.</summary>
    public static string Rows(string file) =>
        $"(FROM {ParquetFile.Sql(file)} UNION ALL BY NAME (SELECT NULL::FLOAT AS {Change}, NULL::FLOAT AS {Weight}, "
            + $"NULL::INTEGER AS {Component} WHERE false))";

    /// <summary>Which rows are edges, and which say what switched on.</summary>
    public static string AreEdges => $"{DownFeature} IS DISTINCT FROM {EdgeKeys.SwitchedOn} OR {DownSite} = '{RunNames.MetricSite}'";

    /// <inheritdoc cref="AreEdges"/>
    public static string AreSwitchedOn => $"{DownFeature} = {EdgeKeys.SwitchedOn} AND {DownSite} <> '{RunNames.MetricSite}'";

    /// <summary>Puts edges into the first rows of DuckDB's memory.</summary>
    public static void Set(DuckDbVectors vectors, EdgeKeys ends, ReadOnlySpan<CausalEdge> edges)
    {
        var upPosition = vectors.Column<int>(1);
        var upFeature = vectors.Column<int>(2);
        var downPosition = vectors.Column<int>(4);
        var downFeature = vectors.Column<int>(5);
        var jacobian = vectors.Column<float>(6);
        var effect = vectors.Column<float>(7);
        var change = vectors.Column<float>(8);
        var contribution = vectors.Column<float>(9);
        var weight = vectors.Column<float>(10);
        var component = vectors.Column<int>(11);
        for (var row = 0; row < edges.Length; row++)
        {
            var edge = edges[row];
            var down = edge.Down == CausalEdge.Metric ? ends.Metric : edge.Down;
            (upPosition[row], upFeature[row]) = (ends.Position[edge.Up], ends.Feature[edge.Up]);
            (downPosition[row], downFeature[row]) = (ends.Position[down], ends.Feature[down]);
            (jacobian[row], effect[row], contribution[row]) = (edge.Jacobian, edge.Effect, ends.SignOfClean * edge.Effect);
            if (edge.Down == CausalEdge.Metric) vectors.SetNull(5, row);   // the metric is no feature, and −1 is an error node
            if (float.IsNaN(edge.Jacobian)) vectors.SetNull(6, row);
            change[row] = edge.Change;
            if (float.IsNaN(edge.Change)) vectors.SetNull(8, row);
            weight[row] = edge.Weight;
            if (float.IsNaN(edge.Weight)) vectors.SetNull(10, row);
            component[row] = ends.Circuits[edge.Up];
            if (component[row] == 0) vectors.SetNull(11, row);
        }
        switch (ends.Sites.Length)   // DuckDB stores an ENUM's codes in the smallest type that holds them
        {
            case <= byte.MaxValue: SetSites<byte>(vectors, ends, edges, static site => (byte)site); break;
            case <= ushort.MaxValue: SetSites<ushort>(vectors, ends, edges, static site => (ushort)site); break;
            default: SetSites<uint>(vectors, ends, edges, static site => (uint)site); break;
        }
    }

    /// <summary>The edges of all rows, and the metric's position if an edge leads into it.</summary>
    /// <param name="rows">Of <see cref="Select"/>.</param>
    /// <param name="index">Of the run's nodes.</param>
    /// <param name="edges">Room for as many as are expected.</param>
    /// <exception cref="InvalidCastException">There is NULL where a value belongs.</exception>
    /// <exception cref="DuckDbException">An edge ends at a node that the run does not have.</exception>
    public static (CausalEdge[] Edges, int? MetricPosition) Read(DuckDbRows rows, NodeIndex index, CausalEdge[] edges)
    {
        int? metricPosition = null;
        var down = CausalEdge.Metric;
        (int, int, int) last = default;
        var read = 0;
        for (; rows.Read(); read++)
        {
            if (read == edges.Length) Array.Resize(ref edges, (int)Math.Min(2L * read + 1, Array.MaxLength));
            var up = index.Find(rows.Value<int>(0), rows.Value<int>(1), rows.Value<int>(2));
            (int Site, int Position, int Feature) end = (rows.Value<int>(3), rows.Value<int>(4), rows.Value<int>(5));
            if (read == 0 || end != last)
            {
                down = index.Find(end.Site, end.Position, end.Feature);   // sorted by it: mostly the same as above
            }
            if (down == CausalEdge.Metric) metricPosition = end.Position;
            edges[read] = new CausalEdge(up, down, rows.Value<float>(6), rows.Value<float>(7))
            {
                Change = rows.Value<float>(8),
                Weight = rows.Value<float>(9),
            };
            last = end;
        }
        Array.Resize(ref edges, read);   // does nothing but for a file that lies
        return (edges, metricPosition);
    }

    /// <summary>What switched on, of all rows.</summary>
    /// <param name="rows">Of <see cref="Select"/>, those that <see cref="AreSwitchedOn"/> picks.</param>
    /// <param name="index">Of the run's nodes.</param>
    /// <param name="ends">Of the same.</param>
    /// <exception cref="InvalidCastException">There is NULL where a value belongs.</exception>
    /// <exception cref="DuckDbException">It is said of a node that the run does not have.</exception>
    public static List<SwitchedOnRow> ReadSwitchedOn(DuckDbRows rows, NodeIndex index, EdgeKeys ends)
    {
        var read = new List<SwitchedOnRow>();
        while (rows.Read())
        {
            var up = index.Find(rows.Value<int>(0), rows.Value<int>(1), rows.Value<int>(2));
            read.Add(new SwitchedOnRow(up, ends.Sites[rows.Value<int>(3)], rows.Value<float>(7)));
        }
        return read;
    }

    private static void SetSites<T>(DuckDbVectors vectors, EdgeKeys ends, ReadOnlySpan<CausalEdge> edges, Func<int, T> code)
        where T : unmanaged
    {
        var up = vectors.Column<T>(0);
        var down = vectors.Column<T>(3);
        for (var row = 0; row < edges.Length; row++)
        {
            up[row] = code(ends.Site[edges[row].Up]);
            down[row] = code(ends.Site[edges[row].Down == CausalEdge.Metric ? ends.Metric : edges[row].Down]);
        }
    }
}
