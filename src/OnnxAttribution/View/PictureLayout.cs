using OnnxAttribution.Bundles;

namespace OnnxAttribution.View;

// 1. Rows are sites, the first at the bottom and the metric at the top; columns are token positions.
//    A graph without positions has three columns instead: attention, residual stream, MLP.
// 2. Each cell (row, column) holds its nodes in lines, as many as it needs but no more than `lines`; a column is as wide as that makes it,
//    so that one crowded token does not widen the others, and one without a node is a tick. Of all values of `lines` the one that gives
//    the drawing the shape of a slide is taken; few are better than many, since edges run through piles.
// 3. Within a cell, nodes are put in the order of the mean place of what they are joined to,
//    so that fewer edges cross (barycentre method, a few sweeps up and down).

/// <summary>Where everything lies: the same for the page and for a static drawing.
/// Units are pixels at zoom 1; y grows downwards. No two boxes overlap.</summary>
internal sealed class PictureLayout
{
    public const double BoxWidth = 76, BoxHeight = 32, GapX = 8, GapY = 8, RowGap = 34, ColumnGap = 18, LeftMargin = 118, Margin = 16,
        TokenBand = 58, TickWidth = 3, TickGap = 7;
    private const double WantedShape = 1.65, PriceOfLine = 0.12;
    private const int Sweeps = 6;

    private readonly double[] _x, _y;

    private PictureLayout(RunPicture picture, PictureCells cells, int[] perLine)
    {
        (Columns, Width) = PlaceColumns(cells, perLine);
        (Rows, Height) = PlaceRows(picture, cells, perLine);
        (_x, _y) = (new double[picture.Nodes.Count], new double[picture.Nodes.Count]);
    }

    /// <summary>From the bottom up; the last is the metric's.</summary>
    public IReadOnlyList<PictureRow> Rows { get; }

    /// <summary>From the left.</summary>
    public IReadOnlyList<PictureColumn> Columns { get; }

    /// <summary>Centres of the nodes' boxes, as <see cref="RunPicture.Nodes"/> has them.</summary>
    public IReadOnlyList<double> X => _x;
    public IReadOnlyList<double> Y => _y;

    public double Width { get; }
    public double Height { get; }

    public static PictureLayout Of(RunPicture picture)
    {
        var cells = Cells(picture);
        var most = Enumerable.Range(0, cells.Columns).Max(c => MostIn(cells, c));
        var perLine = Enumerable.Range(1, Math.Max(1, most)).Select(lines => (Lines: lines, PerLine: PerLine(cells, lines)))
            .MinBy(k => Math.Abs(Math.Log(Shape(cells, k.PerLine) / WantedShape)) + (PriceOfLine * k.Lines)).PerLine;
        var layout = new PictureLayout(picture, cells, perLine);
        for (var r = 0; r < layout.Rows.Count; r++)
        {
            for (var c = 0; c < layout.Columns.Count; c++) layout.Place(cells, r, c, perLine[c]);
        }
        layout.Untangle(picture, cells, perLine);
        return layout;
    }

    // filled from the left, a pile at a time, so that x follows the order
    private void Place(PictureCells cells, int row, int column, int perLine)
    {
        var nodes = cells.At(row, column);
        var lines = Lines(nodes.Count, perLine);
        var piles = lines == 0 ? 0 : (nodes.Count + lines - 1) / lines;
        for (var i = 0; i < nodes.Count; i++)
        {
            _x[nodes[i]] = Columns[column].Centre + (((i / lines) - ((piles - 1) / 2.0)) * (BoxWidth + GapX));
            _y[nodes[i]] = Rows[row].Bottom - (BoxHeight / 2) - (i % lines * (BoxHeight + GapY));
        }
    }

    private void Untangle(RunPicture picture, PictureCells cells, int[] perLine)
    {
        var (ups, downs) = Joined(picture);
        for (var sweep = 0; sweep < Sweeps; sweep++)
        {
            var joined = sweep % 2 == 0 ? ups : downs;
            for (var i = 0; i < Rows.Count; i++)
            {
                var row = sweep % 2 == 0 ? i : Rows.Count - 1 - i;
                for (var c = 0; c < Columns.Count; c++)
                {
                    // stable, so that equal runs give equal drawings
                    cells.Set(row, c, [.. cells.At(row, c).OrderBy(n => Barycentre(joined[n], _x, _x[n]))]);
                    Place(cells, row, c, perLine[c]);
                }
            }
        }
    }

    private static double Barycentre(List<(int Node, double Weight)> joined, double[] x, double own)
    {
        double sum = 0, weight = 0;
        foreach (var (node, w) in joined) (sum, weight) = (sum + (w * x[node]), weight + w);
        return weight > 0 ? sum / weight : own;
    }

    private static (List<(int, double)>[] Ups, List<(int, double)>[] Downs) Joined(RunPicture picture)
    {
        var (ups, downs) = (new List<(int, double)>[picture.Nodes.Count], new List<(int, double)>[picture.Nodes.Count]);
        for (var i = 0; i < ups.Length; i++) (ups[i], downs[i]) = ([], []);
        foreach (var e in picture.Edges)
        {
            var weight = Math.Sqrt(Math.Abs(e.Effect));
            ups[e.Down].Add((e.Up, weight));
            downs[e.Up].Add((e.Down, weight));
        }
        return (ups, downs);
    }

    private static PictureCells Cells(RunPicture picture)
    {
        var rows = picture.Sites.Select((s, i) => (s, i)).ToDictionary(p => p.s, p => p.i);
        var labels = picture.IsAggregated ? KindsOf(picture.Sites) : Positions(picture);
        var cells = new PictureCells(rows.Count + 1, labels);
        for (var i = 0; i < picture.Nodes.Count; i++)
        {
            var n = picture.Nodes[i];
            var row = n.Site is { } site ? rows[site] : rows.Count;
            object key = picture.IsAggregated ? n.Site?.Kind ?? SiteKind.Resid : n.Position;
            // a metric that no edge leads to may stand nowhere: at the last token then
            cells.Add(row, cells.Column(key) ?? labels.Count - 1, i);
        }
        return cells;
    }

    // attention left of the residual stream, MLP right of it
    private static List<(object Key, string Label)> KindsOf(IReadOnlyList<Site> sites)
    {
        (SiteKind Kind, string Label)[] all =
        [
            (SiteKind.Embed, "tokens"), (SiteKind.Z, "heads (z)"), (SiteKind.Attn, "attention"), (SiteKind.Resid, "residual stream"),
            (SiteKind.ResidMid, "residual stream (mid)"), (SiteKind.Normalized, "MLP's input, normalized"),
            (SiteKind.MlpIn, "MLP's input"), (SiteKind.Mlp, "MLP"),
        ];
        // the metric hangs on the residual stream
        return [.. all.Where(k => k.Kind == SiteKind.Resid || sites.Any(s => s.Kind == k.Kind)).Select(k => ((object)k.Kind, k.Label))];
    }

    private static List<(object Key, string Label)> Positions(RunPicture picture)
    {
        var last = Math.Max(picture.Header.Tokens.Count - 1, picture.Nodes.Max(n => n.Position));
        var result = Enumerable.Range(0, last + 1)
            .Select(p =>
                ((object)p, p < picture.Header.Tokens.Count
                    ? picture.Header.Tokens[p]
                    : picture.Nodes.FirstOrDefault(n => n.Position == p)?.Token ?? ""))
            .ToList();
        if (result.Count == 0 || picture.Nodes.Any(n => n.Position < 0 && !n.IsMetric))
        {
            result.Insert(0, (-1, picture.Nodes.Any(n => n.IsLump) ? "other positions" : "all positions"));
        }
        return result;
    }

    // boxes side by side in each column, for cells of so many lines
    private static int[] PerLine(PictureCells cells, int lines) =>
        [.. Enumerable.Range(0, cells.Columns).Select(c => Math.Max(1, Lines(MostIn(cells, c), lines)))];

    private static int MostIn(PictureCells cells, int column) => Enumerable.Range(0, cells.Rows).Max(r => cells.At(r, column).Count);

    private static int Lines(int nodes, int perLine) => (nodes + perLine - 1) / perLine;

    // a page is fitted to the columns from the first that holds a node
    private static double Shape(PictureCells cells, int[] perLine) =>
        (LeftMargin + Enumerable.Range(0, cells.Columns)
            .SkipWhile(c => MostIn(cells, c) == 0)
            .Sum(c => ColumnWidth(cells, c, perLine) + Gap(cells, c)))
            / (TokenBand + Enumerable.Range(0, cells.Rows).Sum(r => RowHeight(cells, r, perLine) + RowGap));

    private static double ColumnWidth(PictureCells cells, int column, int[] perLine) =>
        MostIn(cells, column) == 0 ? TickWidth : (perLine[column] * (BoxWidth + GapX)) - GapX;

    // behind a column; ticks side by side are close to each other
    private static double Gap(PictureCells cells, int column) =>
        MostIn(cells, column) == 0 && column + 1 < cells.Columns && MostIn(cells, column + 1) == 0 ? TickGap : ColumnGap;

    private static double RowHeight(PictureCells cells, int row, int[] perLine) =>
        (Math.Max(1, perLine.Index().Max(c => Lines(cells.At(row, c.Index).Count, c.Item))) * (BoxHeight + GapY)) - GapY;

    private static (List<PictureColumn> Columns, double Width) PlaceColumns(PictureCells cells, int[] perLine)
    {
        var (columns, x) = (new List<PictureColumn>(), LeftMargin);
        for (var c = 0; c < cells.Columns; c++)
        {
            var width = ColumnWidth(cells, c, perLine);
            columns.Add(new PictureColumn(cells.Label(c), cells.Position(c), x, x + width, MostIn(cells, c) == 0));
            x += width + Gap(cells, c);
        }
        return (columns, x - Gap(cells, cells.Columns - 1) + Margin);
    }

    private static (List<PictureRow> Rows, double Height) PlaceRows(RunPicture picture, PictureCells cells, int[] perLine)
    {
        var heights = Enumerable.Range(0, cells.Rows).Select(r => RowHeight(cells, r, perLine)).ToArray();
        var bottom = Margin + heights.Sum() + (RowGap * (heights.Length - 1));
        var (rows, y) = (new List<PictureRow>(), bottom);
        for (var r = 0; r < cells.Rows; r++)
        {
            rows.Add(new PictureRow(r < picture.Sites.Count ? picture.Sites[r].ShortName : "metric", y - heights[r], y));
            y -= heights[r] + RowGap;
        }
        return (rows, bottom + TokenBand);
    }
}
