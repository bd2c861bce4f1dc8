namespace OnnxAttribution.View.Formats;

// 1. A row is a site, the first at the bottom and the metric at the top; a row of many boxes is broken into lines.
// 2. In a row boxes lie in the order of the mean place of what they are joined to (barycentre method, a few sweeps up and down).
// 3. Arrows pass the lines between their ends by gaps between boxes, which are as wide as that asks for (BoxLanes).
// 4. Arrows leave a box's top and enter another's bottom side by side, in the order of where they go, so that none hides another.

/// <summary>Where the boxes of a boxed figure lie, and its arrows. Units are pixels; y grows downwards. No two boxes overlap, and no arrow
/// lies behind a box.</summary>
internal sealed class BoxLayout
{
    private const int MostInLine = 4, Sweeps = 6;

    // a gap between lines is higher the more arrows go across in it, up to a point
    private const double GapX = 28, LineGap = 34, RowGap = 64, HeightAnArrow = 3, MostForArrows = 60, Apart = 20;

    private readonly IReadOnlyList<BoxContent> _boxes;
    private readonly RunPicture _picture;
    private readonly List<List<int>> _lines;
    private readonly BoxLanes _lanes;
    private readonly double[] _x, _y, _tops, _bottoms;

    private BoxLayout(RunPicture picture, IReadOnlyList<BoxContent> boxes)
    {
        (_picture, _boxes, _x, _y) = (picture, boxes, new double[boxes.Count], new double[boxes.Count]);
        var rows = Rows(picture);
        Order(rows);
        _lines = [.. rows.AsEnumerable().Reverse().SelectMany(LinesOf)];
        (_tops, _bottoms) = (new double[_lines.Count], new double[_lines.Count]);
        _lanes = new(_lines, [.. picture.Edges.Select(e => (e.Up, e.Down))]);
        _lanes.Choose(_x);
        Widen();
        var ways = _lanes.Place(_x);
        MoveRight(ways);
        var (starts, ends) = Ports(ways);
        Height = PlaceDownwards(rows, ways);
        Arrows = [.. picture.Edges.Select((_, i) => Arrow(i, starts[i], ways[i], ends[i]))];
    }

    public double Width { get; private set; }
    public double Height { get; }

    /// <summary>Of the boxes' left upper corners, as <see cref="RunPicture.Nodes"/> has them.</summary>
    public IReadOnlyList<double> X => _x;
    public IReadOnlyList<double> Y => _y;

    /// <summary>As <see cref="RunPicture.Edges"/> has them.</summary>
    public IReadOnlyList<BoxArrow> Arrows { get; }

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

    // over the lines of a row by turns, so that each keeps the order; the first is the lowest
    private static IEnumerable<List<int>> LinesOf(List<int> row) =>
        Enumerable.Range(0, Lines(row.Count)).Reverse().Select(line => row.Where((_, i) => i % Lines(row.Count) == line).ToList());

    private void Order(List<List<int>> rows)
    {
        Width = rows.SelectMany(LinesOf).Max(line => (line.Count * (BoxContent.Width + GapX)) - GapX);
        for (var sweep = 0; sweep < Sweeps; sweep++)
        {
            foreach (var row in sweep % 2 == 0 ? rows : rows.AsEnumerable().Reverse())
            {
                var places = row.ToDictionary(n => n, n => Barycentre(n, sweep % 2 == 0));
                row.Sort((a, b) => places[a] != places[b] ? places[a].CompareTo(places[b]) : a.CompareTo(b));
                foreach (var line in LinesOf(row)) PlaceAcross(line, _ => GapX);
            }
        }
    }

    /// <param name="gap">How wide the gap left of the i-th box is.</param>
    private void PlaceAcross(List<int> line, Func<int, double> gap)
    {
        var gaps = Enumerable.Range(1, line.Count - 1).Select(gap).ToArray();
        var left = (Width - (line.Count * BoxContent.Width) - gaps.Sum()) / 2;
        for (var i = 0; i < line.Count; i++)
        {
            _x[line[i]] = left;
            left += BoxContent.Width + (i < gaps.Length ? gaps[i] : 0);
        }
    }

    // makes room for the arrows between boxes; about the same middle
    private void Widen()
    {
        for (var i = 0; i < _lines.Count; i++)
        {
            var line = i;
            PlaceAcross(_lines[i], gap => Math.Max(GapX, _lanes.Room(line, gap)));
        }
    }

    // tracks beside lines and widened lines may lie outside by now
    private void MoveRight(double[][] ways)
    {
        var all = ways.SelectMany(way => way).ToList();
        var left = _x.Concat(all).Min();
        Width = _x.Select(x => x + BoxContent.Width).Concat(all).Max() - left;
        for (var i = 0; i < _x.Length; i++) _x[i] -= left;
        foreach (var way in ways) for (var i = 0; i < way.Length; i++) way[i] -= left;
    }

    private double PlaceDownwards(List<List<int>> rows, double[][] ways)
    {
        var across = Across(ways);
        var lastOfRow = rows.Select(row => row.Max(_lanes.LineOf)).ToHashSet();
        double Room(int gap) => Math.Min(MostForArrows, across[gap] * HeightAnArrow);
        // above the first line and below the last there are arrows only where one goes back
        var y = across[0] > 0 ? LineGap + Room(0) : 0;
        for (var i = 0; i < _lines.Count; i++)
        {
            var height = _lines[i].Max(n => _boxes[n].Height);
            (_tops[i], _bottoms[i]) = (y, y + height);
            foreach (var n in _lines[i]) _y[n] = y + height - _boxes[n].Height;
            y += height + (i == _lines.Count - 1 ? across[i + 1] > 0 ? LineGap + Room(i + 1) : 0
                : (lastOfRow.Contains(i) ? RowGap : LineGap) + Room(i + 1));
        }
        return y;
    }

    /// <returns>Of the gap above each line, and below the last, how many arrows go across in it.</returns>
    private int[] Across(double[][] ways)
    {
        var result = new int[_lines.Count + 1];
        for (var e = 0; e < ways.Length; e++)
        {
            var (up, down) = (_picture.Edges[e].Up, _picture.Edges[e].Down);
            var isUpwards = _lanes.LineOf(down) < _lanes.LineOf(up);
            double[] xs = [_x[up] + (BoxContent.Width / 2), .. ways[e], _x[down] + (BoxContent.Width / 2)];
            for (var i = 1; i < xs.Length; i++)
            {
                if (Math.Abs(xs[i] - xs[i - 1]) > Apart) result[_lanes.LineOf(up) + (isUpwards ? 1 - i : i - 1)]++;
            }
        }
        return result;
    }

    private double Barycentre(int node, bool ofUpstream)
    {
        double sum = 0, weight = 0;
        foreach (var e in _picture.Edges)
        {
            var (own, other) = ofUpstream ? (e.Down, e.Up) : (e.Up, e.Down);
            if (own != node) continue;
            var strength = Math.Sqrt(Math.Abs(e.Effect));
            (sum, weight) = (sum + (strength * _x[other]), weight + strength);
        }
        return weight > 0 ? sum / weight : _x[node];
    }

    private (double[] Starts, double[] Ends) Ports(double[][] ways)
    {
        var edges = _picture.Edges;
        var (starts, ends) = (new double[edges.Count], new double[edges.Count]);
        double Middle(int box) => _x[box] + (BoxContent.Width / 2);
        foreach (var leaving in Enumerable.Range(0, edges.Count).GroupBy(i => edges[i].Up))
        {
            Spread(leaving.Key, [.. leaving.OrderBy(i => ways[i].Length > 0 ? ways[i][0] : Middle(edges[i].Down))], starts);
        }
        foreach (var entering in Enumerable.Range(0, edges.Count).GroupBy(i => edges[i].Down))
        {
            Spread(entering.Key, [.. entering.OrderBy(i => ways[i].Length > 0 ? ways[i][^1] : Middle(edges[i].Up))], ends);
        }
        return (starts, ends);
    }

    private void Spread(int node, List<int> edges, double[] at)
    {
        for (var i = 0; i < edges.Count; i++) at[edges[i]] = _x[node] + (BoxContent.Width * (i + 1) / (edges.Count + 1));
    }

    private BoxArrow Arrow(int edge, double start, double[] way, double end)
    {
        var (up, down) = (_picture.Edges[edge].Up, _picture.Edges[edge].Down);
        var (from, to) = (_lanes.LineOf(up), _lanes.LineOf(down));
        var arrow = new BoxArrow(start, _y[up], _tops[from]);
        foreach (var ((line, _), x) in _lanes.Passes(edge).Zip(way))
        {
            if (to < from) arrow.Rise(x, _bottoms[line], _tops[line]);
            else arrow.Fall(x, _tops[line], _bottoms[line], line == 0 ? 0 : _bottoms[line - 1]);
        }
        arrow.Reach(end, _bottoms[to], to == _lines.Count - 1 ? Height : _tops[to + 1]);
        return arrow;
    }
}
