namespace OnnxAttribution.View.Figures;

// 1. A heat map for each kind of activation, all on one scale about 0: blue brings the other run's answer, red what is against it.
// 2. Below them, head by head, the scores of values and patterns against those of what heads yield, in the layers' colours: which of the
//    two carries a head.

/// <summary>Activation patching, from the directory that <c>patch</c> wrote.</summary>
internal static class PatchingFigure
{
    private const double Margin = 20, Top = 66, Between = 30, MapLeft = 46, MapTop = 24, Font = 10.5, MostWide = 1100, Plot = 250;

    private static readonly (double Least, double Most, double Room) s_cell = (9, 26, 420);

    /// <param name="path">The directory.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static void Write(string path, TextWriter output, SvgTheme theme, CancellationToken cancel)
    {
        var table = PatchingTable.Read(path, cancel);
        var (places, mapsEnd, widest) = Places(table.Maps);
        var width = Math.Max(640, widest + Margin);
        var plots = table.Compared.Count == 0 ? 0 : PlotPanel.TopRoom + Plot + PlotPanel.BottomRoom + Between + 24;
        using var canvas = new SvgCanvas(output, width, mapsEnd + plots + 50, table.Title, theme);
        canvas.Text(Margin, 30, table.Title, new(18, Bold: true, Most: width - (2 * Margin)));
        canvas.Text(Margin, 51, table.Subtitle, new(12.5, theme.Quiet, Most: width - (2 * Margin)));
        for (var i = 0; i < table.Maps.Count; i++) Map(canvas, table.Maps[i], table.Largest, places[i]);
        if (table.Compared.Count > 0) Compare(canvas, table, mapsEnd + Between);
        var legend = new PlotLegend(canvas, Margin, mapsEnd + plots + 14);
        legend.Box($"score {NumberText.Of(table.Largest)}: towards the other run", theme.Raises, 1);
        legend.Box($"score {NumberText.Of(-table.Largest)}: away from it", theme.Lowers, 1);
        legend.Box("0: changes nothing", theme.Band, 1);
    }

    // cells are as large as a map has room for; maps stand side by side as far as the drawing goes
    private static (List<(double Left, double Top, double Cell)> Places, double Bottom, double Widest) Places(IReadOnlyList<HeatMap> maps)
    {
        var places = new List<(double, double, double)>();
        var (x, y, tallest, widest) = (Margin, Top, 0.0, 0.0);
        foreach (var map in maps)
        {
            var cell = Math.Clamp(s_cell.Room / Math.Max(map.Columns.Count, map.Rows.Count), s_cell.Least, s_cell.Most);
            var (w, h) = (MapLeft + Math.Max(150, cell * map.Columns.Count), MapTop + (cell * map.Rows.Count) + LabelRoom(map));
            if (x > Margin && x + w > MostWide) (x, y, tallest) = (Margin, y + tallest + Between, 0);
            places.Add((x + MapLeft, y + MapTop, cell));
            (x, tallest) = (x + w + Between, Math.Max(tallest, h));
            widest = Math.Max(widest, x - Between);
        }
        return (places, y + tallest, widest);
    }

    private static double LabelRoom(HeatMap map) => 10 + (map.ColumnsAre.Length > 0 ? 24 : Font * 0.62 * map.Columns.Max(c => c.Length));

    private static void Map(SvgCanvas canvas, HeatMap map, double largest, (double Left, double Top, double Cell) at)
    {
        var (left, top, cell) = at;
        var (theme, bottom) = (canvas.Theme, top + (cell * map.Rows.Count));
        canvas.Text(left - MapLeft + 4, top - 9, map.Title, new(13, Bold: true));
        canvas.Draw("rect", null, ("x", left), ("y", top), ("width", cell * map.Columns.Count), ("height", cell * map.Rows.Count),
            ("fill", theme.Band));
        foreach (var (row, column, score) in map.Cells)
        {
            canvas.Draw("rect", $"{map.Title}\n{map.Rows[row]} at {map.Columns[column]}: {NumberText.Of(score)}", ("class", "cell"),
                ("x", left + (cell * column)), ("y", bottom - (cell * (row + 1))), ("width", cell), ("height", cell),
                ("fill", theme.Sign(score)), ("fill-opacity", Math.Abs(score) / largest));
        }
        // as many labels as have room
        var (everyRow, everyColumn) = ((int)Math.Ceiling(Font / cell), (int)Math.Ceiling(Font / cell));
        for (var r = 0; r < map.Rows.Count; r += everyRow)
        {
            canvas.Text(left - 5, bottom - (cell * (r + 0.5)) + (Font * 0.36), map.Rows[r], new(Font, theme.Quiet, "end"));
        }
        for (var c = 0; c < map.Columns.Count; c += everyColumn)
        {
            var x = left + (cell * (c + 0.5));
            if (map.ColumnsAre.Length > 0) canvas.Text(x, bottom + 13, map.Columns[c], new(Font, theme.Quiet, "middle"));
            else canvas.Text(x + (Font * 0.36), bottom + 5, map.Columns[c], new(Font, theme.Quiet, "end", Turned: true));
        }
        if (map.ColumnsAre.Length > 0)
        {
            canvas.Text(left + (cell * map.Columns.Count / 2), bottom + 29, map.ColumnsAre, new(Font, theme.Quiet, "middle"));
        }
    }

    private static void Compare(SvgCanvas canvas, PatchingTable table, double top)
    {
        var values = table.Compared.SelectMany(c => c.Heads.SelectMany(h => (double[])[h.Z, h.Score])).Append(0).ToList();
        for (var i = 0; i < table.Compared.Count; i++)
        {
            var compared = table.Compared[i];
            var frame = new PlotFrame(Margin + PlotPanel.LeftRoom + (i * (PlotPanel.LeftRoom + Plot + Between)), top + PlotPanel.TopRoom,
                Plot, Plot);
            var panel = new PlotPanel(canvas, frame, Axis.Linear("score of z", values), Axis.Linear($"score of {compared.What}", values));
            panel.Frame($"{compared.What} against z");
            foreach (var head in compared.Heads)
            {
                panel.Point("head", (head.Z, head.Score), new(canvas.Theme.Series[head.Layer % canvas.Theme.Series.Count], 4, 0.85),
                    $"{head.Layer}.{head.Head}: z {NumberText.Of(head.Z)}, {compared.What} {NumberText.Of(head.Score)}");
            }
        }
        var legend = new PlotLegend(canvas, Margin, top + PlotPanel.TopRoom + Plot + PlotPanel.BottomRoom + 14);
        var layers = table.Compared.SelectMany(c => c.Heads.Select(h => h.Layer)).Distinct().Order().ToList();
        // colours come again where there are more layers than colours
        foreach (var group in layers.GroupBy(l => l % canvas.Theme.Series.Count))
        {
            legend.Point($"layer {string.Join(", ", group)}", canvas.Theme.Series[group.Key]);
        }
    }
}
