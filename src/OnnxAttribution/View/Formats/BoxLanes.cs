namespace OnnxAttribution.View.Formats;

// 1. Of each line of boxes that an arrow passes it takes a gap between two boxes, or the room beside the line: of all ways the one that
//    goes least to and fro (dynamic programming over the lines).
// 2. In a gap arrows lie side by side, in the order of where they come from and go to; a gap is as wide as they need.
// 3. Beside lines an arrow keeps straight on a track of its own (left-edge algorithm of channel routing).

/// <summary>Where arrows pass the lines of boxes that lie between their ends, so that none lies behind a box. Lines are counted from the
/// top, a line's gaps from the left: gap i is left of its box i, and the last is right of all.</summary>
/// <param name="lines">Boxes of each line from the left; no line is empty.</param>
/// <param name="arrows">Boxes that arrows leave at their top and enter at their bottom.</param>
internal sealed class BoxLanes(IReadOnlyList<IReadOnlyList<int>> lines, IReadOnlyList<(int Up, int Down)> arrows)
{
    private const double LaneGap = 8, Clearance = 12;

    private readonly Dictionary<int, int> _lineOf = lines.SelectMany((line, i) => line.Select(box => (box, i)))
        .ToDictionary(p => p.box, p => p.i);
    private readonly (int Line, int Gap)[][] _passes = new (int, int)[arrows.Count][];
    private readonly Dictionary<(int, int), int> _counts = [];

    /// <summary>The line that a box stands in.</summary>
    public int LineOf(int box) => _lineOf[box];

    /// <summary>The lines that an arrow passes, in its order, and by which gap. Upwards those between its ends are passed; an arrow whose
    /// end lies no higher goes back past its beginning's line, and past its end's too.</summary>
    public IReadOnlyList<(int Line, int Gap)> Passes(int arrow) => _passes[arrow];

    /// <summary>Chooses gaps.</summary>
    /// <param name="left">Of each box, in pixels.</param>
    public void Choose(double[] left)
    {
        for (var i = 0; i < arrows.Count; i++) _passes[i] = Cheapest(i, left);
        foreach (var (at, count) in _passes.SelectMany(p => p).CountBy(at => at)) _counts[at] = count;
    }

    /// <summary>How wide a gap between two boxes must be for what passes it, in pixels.</summary>
    public double Room(int line, int gap) => (2 * Clearance) + ((_counts.GetValueOrDefault((line, gap)) - 1) * LaneGap);

    /// <summary>Places arrows in the gaps that were chosen.</summary>
    /// <returns>Of each arrow where it lies in what it passes, in pixels.</returns>
    public double[][] Place(double[] left)
    {
        var ways = new double[arrows.Count][];
        for (var i = 0; i < ways.Length; i++)
        {
            var wanted = Wanted(i, left);
            ways[i] = [.. _passes[i].Select((at, k) => Nearest(at, wanted[k], left))];
        }
        PlaceBetween(ways, left);
        PlaceBeside(ways, left);
        return ways;
    }

    private static double Middle(int box, double[] left) => left[box] + (BoxContent.Width / 2);

    private (double From, double To) Bounds((int Line, int Gap) at, double[] left)
    {
        var boxes = lines[at.Line];
        return (at.Gap == 0 ? double.NegativeInfinity : left[boxes[at.Gap - 1]] + BoxContent.Width + Clearance,
            at.Gap == boxes.Count ? double.PositiveInfinity : left[boxes[at.Gap]] - Clearance);
    }

    private bool IsBeside((int Line, int Gap) at) => at.Gap == 0 || at.Gap == lines[at.Line].Count;

    private double Nearest((int Line, int Gap) at, double wanted, double[] left)
    {
        var (from, to) = Bounds(at, left);
        return IsBeside(at) ? Math.Max(from, Math.Min(to, wanted)) : (from + to) / 2;
    }

    private IEnumerable<int> Passed(int arrow)
    {
        var (from, to) = (LineOf(arrows[arrow].Up), LineOf(arrows[arrow].Down));
        return to < from ? Enumerable.Range(to + 1, from - to - 1).Reverse() : Enumerable.Range(from, to - from + 1);
    }

    // on the straight way from one end to the other
    private double[] Wanted(int arrow, double[] left)
    {
        var (from, to) = (Middle(arrows[arrow].Up, left), Middle(arrows[arrow].Down, left));
        var count = Passed(arrow).Count();
        return [.. Enumerable.Range(1, count).Select(i => from + ((to - from) * i / (count + 1)))];
    }

    private (int, int)[] Cheapest(int arrow, double[] left)
    {
        var (passed, wanted) = (Passed(arrow).ToList(), Wanted(arrow, left));
        List<(double X, double Cost, int Before)[]> steps = [[(Middle(arrows[arrow].Up, left), 0, -1)]];
        for (var i = 0; i <= passed.Count; i++)
        {
            double[] places = i == passed.Count ? [Middle(arrows[arrow].Down, left)]
                : [.. Enumerable.Range(0, lines[passed[i]].Count + 1).Select(gap => Nearest((passed[i], gap), wanted[i], left))];
            var last = steps[^1];
            steps.Add([.. places.Select(x =>
            {
                var (cost, before) = last.Select((s, at) => (Cost: s.Cost + Math.Abs(s.X - x), at)).Min();
                return (x, cost, before);
            })]);
        }
        var result = new (int, int)[passed.Count];
        var gap = steps[^1][0].Before;
        for (var i = passed.Count - 1; i >= 0; i--) (result[i], gap) = ((passed[i], gap), steps[i + 1][gap].Before);
        return result;
    }

    private void PlaceBetween(double[][] ways, double[] left)
    {
        var gaps = Enumerable.Range(0, ways.Length).SelectMany(arrow => _passes[arrow].Select((at, k) => (at, arrow, k)))
            .Where(p => !IsBeside(p.at)).GroupBy(p => p.at);
        var before = ways.Select(way => way.ToArray()).ToArray();
        foreach (var gap in gaps)
        {
            var order = gap.OrderBy(p => Around(before, p.arrow, p.k, left)).ThenBy(p => p.arrow).ToList();
            var first = before[order[0].arrow][order[0].k] - ((order.Count - 1) * LaneGap / 2);
            for (var i = 0; i < order.Count; i++) ways[order[i].arrow][order[i].k] = first + (i * LaneGap);
        }
    }

    // where it comes from and where it goes to
    private double Around(double[][] ways, int arrow, int pass, double[] left) =>
        (pass == 0 ? Middle(arrows[arrow].Up, left) : ways[arrow][pass - 1])
        + (pass == ways[arrow].Length - 1 ? Middle(arrows[arrow].Down, left) : ways[arrow][pass + 1]);

    // lines that are passed on the same side one after the other are passed on one track, the shortest stretches innermost
    private void PlaceBeside(double[][] ways, double[] left)
    {
        var taken = lines.Select(_ => new HashSet<int>()).ToList();
        foreach (var (arrow, from, end) in Stretches().OrderBy(s => s.End - s.From).ThenBy(s => s.Arrow))
        {
            var (passes, isLeft) = (_passes[arrow][from..end], _passes[arrow][from].Gap == 0);
            var bounds = passes.Select(at => Bounds(at, left)).ToList();
            var wanted = ways[arrow][(from + end - 1) / 2];
            var track = isLeft ? (int)Math.Floor(Math.Min(bounds.Min(b => b.To), wanted) / LaneGap)
                : (int)Math.Ceiling(Math.Max(bounds.Max(b => b.From), wanted) / LaneGap);
            while (passes.Any(at => taken[at.Line].Contains(track))) track += isLeft ? -1 : 1;
            foreach (var at in passes) taken[at.Line].Add(track);
            Array.Fill(ways[arrow], track * LaneGap, from, end - from);
        }
    }

    private IEnumerable<(int Arrow, int From, int End)> Stretches()
    {
        for (var arrow = 0; arrow < _passes.Length; arrow++)
        {
            var passes = _passes[arrow];
            for (var from = 0; from < passes.Length;)
            {
                var end = from + 1;
                if (IsBeside(passes[from]))
                {
                    while (end < passes.Length && IsBeside(passes[end]) && passes[end].Gap == 0 == (passes[from].Gap == 0)) end++;
                    yield return (arrow, from, end);
                }
                from = end;
            }
        }
    }
}
