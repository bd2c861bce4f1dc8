using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>A curve table, by position.</summary>
/// <param name="Unknown">Rows without a coefficient, position or activation.</param>
internal sealed record CurveTable(string Title, IReadOnlyList<CurvePosition> Positions, int Unknown)
{
    private const string Verb = "onnx-attribution ablate --up FEATURE --down FEATURE --out FILE.parquet";

    private static readonly StoredColumn[] s_columns = RowTable.Columns<CurveRow>();

    /// <param name="path">A run directory, or a Parquet file.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static CurveTable Read(string path, CancellationToken cancel)
    {
        var isRun = Directory.Exists(path);
        var (table, file) = isRun
            ? (RunDirectory.ReadTable(path, "curve", s_columns, cancel), Path.Combine(path, "curve.parquet"))
            : (StoredTable.Read(path, cancel), path);
        foreach (var column in s_columns)
        {
            if (!table.Columns.Contains(column)) throw FigureException.NoColumn(file, column.Name, Verb);
        }
        if (table.Count == 0) throw FigureException.NoRows(file, "rows");
        var points = new SortedDictionary<int, (string Token, List<CurvePoint> Points)>();
        var unknown = 0;
        var (coefficient, position, token, activation, line) = (table.Values<double>("coefficient"), table.Values<int?>("position"),
            table.Values<string?>("token"), table.Values<float>("activation"), table.Values<float>("line"));
        var (switched, cause) = (table.Values<bool?>("switched"), table.Values<string?>("cause"));
        for (var i = 0; i < table.Count; i++)
        {
            if (position[i] is not { } p || double.IsNaN(coefficient[i]) || float.IsNaN(activation[i]))
            {
                unknown++;
                continue;
            }
            if (!points.ContainsKey(p)) points[p] = (token[i] ?? "", []);
            points[p].Points.Add(new CurvePoint(coefficient[i], activation[i], line[i], switched[i] == true, cause[i]));
        }
        if (points.Count == 0) throw FigureException.NoRows(file, "numbers");
        return new CurveTable($"{Name(table, "up")} → {Name(table, "down")}",
            [.. points.Select(p => new CurvePosition(p.Key, p.Value.Token, [.. p.Value.Points.OrderBy(q => q.Coefficient)]))], unknown);
    }

    private static string Name(StoredTable table, string end)
    {
        var (site, feature) = (table.Values<string?>(end + "_site")[0] ?? "", table.Values<int?>(end + "_feature")[0]);
        return string.Create(CultureInfo.InvariantCulture,
            $"{(site.StartsWith("blocks.", StringComparison.Ordinal) ? Site.Parse(site).ShortName : site)} {feature}");
    }
}

/// <summary>A response curve at one position of the downstream feature.</summary>
/// <param name="Points">By ascending coefficient.</param>
internal sealed record CurvePosition(int Position, string Token, IReadOnlyList<CurvePoint> Points)
{
    /// <summary>How far the activation goes; 0 where it never changes.</summary>
    public double Range
    {
        get
        {
            var known = Points.Where(p => float.IsFinite(p.Activation)).Select(p => (double)p.Activation).ToList();
            return known.Count == 0 ? 0 : known.Max() - known.Min();
        }
    }
}

/// <summary>A row of a curve table.</summary>
/// <param name="Line">What the gradient says.</param>
/// <param name="Switched">A bend lies between the coefficient before and this one.</param>
internal readonly record struct CurvePoint(double Coefficient, float Activation, float Line, bool Switched, string? Cause);
