using OnnxAttribution.Cli.Terminal;

namespace OnnxAttribution.Cli.Reports;

/// <summary>A curve and the gradient's straight line as lines of text, with both axes' ends.</summary>
/// <remarks>One character per column: ● the curve, │ where it jumps, · the line;
/// where both meet the curve is drawn. ^ below the axis marks bends.</remarks>
internal static class CurvePlot
{
    public const int Width = 60, Height = 15;

    /// <param name="x">Ascending; one point makes a plot of one column.</param>
    /// <param name="curve">y at each x, drawn with straight lines between.</param>
    /// <param name="line">The other curve's y.</param>
    /// <param name="marks">Places on the x axis.</param>
    public static IReadOnlyList<string> Draw(IReadOnlyList<double> x, IReadOnlyList<double> curve, IReadOnlyList<double> line,
        IReadOnlyList<double> marks)
    {
        double low = Math.Min(curve.Min(), line.Min()), high = Math.Max(curve.Max(), line.Max());
        var span = high > low ? high - low : 1;
        var cells = Enumerable.Range(0, Height).Select(_ => Enumerable.Repeat(' ', Width).ToArray()).ToArray();
        int Row(double y) => (int)Math.Round((high - y) / span * (Height - 1));
        var columns = x[^1] > x[0] ? Width : 1;
        int? before = null;
        for (var column = 0; column < columns; column++)
        {
            var at = columns == 1 ? x[0] : x[0] + ((x[^1] - x[0]) * column / (Width - 1));
            cells[Row(At(x, line, at))][column] = '·';
            var row = Row(At(x, curve, at));
            for (var r = Math.Min(row, before ?? row) + 1; r < Math.Max(row, before ?? row); r++) cells[r][column] = '│';
            cells[row][column] = '●';
            before = row;
        }
        string[] labels = [Screen.Number(high), Screen.Number(low), Screen.Number(x[0]), Screen.Number(x[^1])];
        var margin = Math.Max(labels[0].Length, labels[1].Length);
        var lines = cells.Select((cell, r) =>
            $"{(r == 0 ? labels[0] : r == Height - 1 && high > low ? labels[1] : "").PadLeft(margin)} ┤{new string(cell)}".TrimEnd())
            .ToList();
        var indent = new string(' ', margin + 2);
        lines.Add($"{new string(' ', margin)} └{new string('─', Width)}");
        if (marks.Count > 0)
        {
            var row = Enumerable.Repeat(' ', Width).ToArray();
            foreach (var m in marks) row[columns == 1 ? 0 : (int)Math.Round((m - x[0]) / (x[^1] - x[0]) * (Width - 1))] = '^';
            lines.Add((indent + new string(row)).TrimEnd());
        }
        lines.Add(indent + labels[2] + (columns == 1 ? "" : labels[3].PadLeft(Width - labels[2].Length)));
        return lines;
    }

    private static double At(IReadOnlyList<double> x, IReadOnlyList<double> y, double at)
    {
        var i = 1;
        while (i < x.Count - 1 && x[i] < at) i++;
        if (x.Count == 1) return y[0];
        var share = Math.Clamp((at - x[i - 1]) / (x[i] - x[i - 1]), 0, 1);
        return y[i - 1] + (share * (y[i] - y[i - 1]));
    }
}
