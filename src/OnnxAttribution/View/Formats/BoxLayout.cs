namespace OnnxAttribution.View.Formats;

// 1. A row is a site, the first at the bottom and the metric at the top; a row of many boxes is broken into lines.
// 2. In a row boxes lie in the order of the mean place of what they are joined to (barycentre method, a few sweeps up and down).
// 3. Arrows leave a box's top and enter another's bottom side by side, in the order of their other ends, so that none hides another.

/// <summary>Where the boxes of a boxed figure lie. Units are pixels; y grows downwards. No two boxes overlap.</summary>
internal sealed class BoxLayout
{
    private const int MostInLine = 4, Sweeps = 6;
    private const double GapX = 28, LineGap = 30, RowGap = 64;

    private readonly IReadOnlyList<BoxContent> _boxes;
    private readonly double[] _x, _y;

    private BoxLayout(RunPicture picture, IReadOnlyList<BoxContent> boxes)
    {
        (_boxes, _x, _y) = (boxes, new double[boxes.Count], new double[boxes.Count]);
        var rows = Rows(picture);
        Width = rows.Max(row => WidthOf(Math.Min(row.Count, PerLine(row.Count))));
        for (var sweep = 0; sweep < Sweeps; sweep++)
        {
            foreach (var row in sweep % 2 == 0 ? rows : rows.AsEnumerable().Reverse())
            {
                var places = row.ToDictionary(n => n, n => Barycentre(picture, n, sweep % 2 == 0));
                row.Sort((a, b) => places[a] != places[b] ? places[a].CompareTo(places[b]) : a.CompareTo(b));
                PlaceAcross(row);
            }
        }
        Height = PlaceUpwards(rows);
        (Starts, Ends) = Ports(picture);
    }

    public double Width { get; }
    public double Height { get; }

    /// <summary>Of the boxes' left upper corners, as <see cref="RunPicture.Nodes"/> has them.</summary>
    public IReadOnlyList<double> X => _x;
    public IReadOnlyList<double> Y => _y;

    /// <summary>Where arrows leave and enter, as <see cref="RunPicture.Edges"/> has them.</summary>
    public IReadOnlyList<double> Starts { get; }
    public IReadOnlyList<double> Ends { get; }

    /// <param name="boxes">As <see cref="RunPicture.Nodes"/> has them.</param>
    public static BoxLayout Of(RunPicture picture, IReadOnlyList<BoxContent> boxes) => new(picture, boxes);

    private static List<List<int>> Rows(RunPicture picture)
    {
        var result = picture.Sites.Select(_ => new List<int>()).Append([picture.Metric]).ToList();
        var places = picture.Sites.Select((site, i) => (site, i)).ToDictionary(p => p.site, p => p.i);
        for (var i = 0; i < picture.Metric; i++) result[places[picture.Nodes[i].Site!]].Add(i);
        return result;
    }

    private static int Lines(int count) => (count + MostInLine - 1) / MostInLine;

    private static int PerLine(int count) => (count + Lines(count) - 1) / Lines(count);

    private static double WidthOf(int boxes) => (boxes * (BoxContent.Width + GapX)) - GapX;

    // over the lines of a row by turns, so that each keeps the order
    private void PlaceAcross(List<int> row)
    {
        var lines = Lines(row.Count);
        for (var i = 0; i < row.Count; i++)
        {
            var inLine = (row.Count - (i % lines) + lines - 1) / lines;
            _x[row[i]] = ((Width - WidthOf(inLine)) / 2) + (i / lines * (BoxContent.Width + GapX));
        }
    }

    private double PlaceUpwards(List<List<int>> rows)
    {
        var y = 0.0;
        foreach (var row in rows.AsEnumerable().Reverse())
        {
            var lines = Lines(row.Count);
            for (var line = lines - 1; line >= 0; line--)
            {
                var boxes = row.Where((_, i) => i % lines == line).ToList();
                var height = boxes.Max(n => _boxes[n].Height);
                foreach (var n in boxes) _y[n] = y + height - _boxes[n].Height;
                y += height + (line > 0 ? LineGap : RowGap);
            }
        }
        return y - RowGap;
    }

    private double Barycentre(RunPicture picture, int node, bool ofUpstream)
    {
        double sum = 0, weight = 0;
        foreach (var e in picture.Edges)
        {
            var (own, other) = ofUpstream ? (e.Down, e.Up) : (e.Up, e.Down);
            if (own != node) continue;
            var strength = Math.Sqrt(Math.Abs(e.Effect));
            (sum, weight) = (sum + (strength * _x[other]), weight + strength);
        }
        return weight > 0 ? sum / weight : _x[node];
    }

    private (double[] Starts, double[] Ends) Ports(RunPicture picture)
    {
        var edges = picture.Edges;
        var (starts, ends) = (new double[edges.Count], new double[edges.Count]);
        foreach (var leaving in Enumerable.Range(0, edges.Count).GroupBy(i => edges[i].Up))
        {
            Spread(leaving.Key, [.. leaving.OrderBy(i => _x[edges[i].Down])], starts);
        }
        foreach (var entering in Enumerable.Range(0, edges.Count).GroupBy(i => edges[i].Down))
        {
            Spread(entering.Key, [.. entering.OrderBy(i => _x[edges[i].Up])], ends);
        }
        return (starts, ends);
    }

    private void Spread(int node, List<int> edges, double[] at)
    {
        for (var i = 0; i < edges.Count; i++) at[edges[i]] = _x[node] + (BoxContent.Width * (i + 1) / (edges.Count + 1));
    }
}
