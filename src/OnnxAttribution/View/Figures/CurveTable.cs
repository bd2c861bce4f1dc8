using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>A curve table, by position.</summary>
/// <param name="Unknown">Rows without a coefficient or an activation.</param>
internal sealed record CurveTable(string Title, IReadOnlyList<CurvePosition> Positions, int Unknown)
{
    /// <param name="path">A run directory, or a Parquet file.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static CurveTable Read(string path, CancellationToken cancel)
    {
        var (table, file) = Directory.Exists(path)
            ? (RunDirectory.ReadTable(path, CurveRow.Table, CurveRow.Columns, cancel), RunDirectory.TableFile(path, CurveRow.Table))
            : (StoredTable.Read(path, cancel), path);
        foreach (var column in CurveRow.Columns)
        {
            if (!table.Columns.Contains(column)) throw FigureException.NoColumn(file, column.Name, new NextStep(StepKind.TraceCurve));
        }
        if (table.Count == 0) throw FigureException.NoRows(file, "rows");
        var rows = RowTable.Read<CurveRow>(table, file);
        var points = new SortedDictionary<int, (string Token, List<CurvePoint> Points)>();
        var unknown = 0;
        foreach (var row in rows)
        {
            if (double.IsNaN(row.Coefficient) || float.IsNaN(row.Activation))
            {
                unknown++;
                continue;
            }
            if (!points.ContainsKey(row.Position)) points[row.Position] = (row.Token, []);
            points[row.Position].Points.Add(new CurvePoint(row.Coefficient, row.Activation, row.Line, row.Switched, row.Cause));
        }
        if (points.Count == 0) throw FigureException.NoRows(file, "numbers");
        var (up, down) = (FeatureName.Of(rows[0].UpSite, rows[0].UpFeature), FeatureName.Of(rows[0].DownSite, rows[0].DownFeature));
        return new CurveTable($"{up} → {down}",
            [.. points.Select(p => new CurvePosition(p.Key, p.Value.Token, [.. p.Value.Points.OrderBy(q => q.Coefficient)]))], unknown);
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
