namespace OnnxAttribution.Attribution;

/// <summary>Which positions of which rows a relay (<see cref="NodeRelay"/>) holds of each site, and which it has to run: what follows from
/// where nodes stand, whatever their values.</summary>
/// <param name="sites">How many sites the bundle has.</param>
/// <param name="metricPosition">The position that the metric is read at.</param>
internal sealed class RelayRows(MovedSteps steps, int sites, int positions, int metricPosition)
{
    private readonly PackedRows?[] _held = new PackedRows?[sites];

    /// <summary>As it was known when the relay began (<see cref="MovedSteps.LooksAhead"/>): another lane may find out in the middle.
    /// </summary>
    public bool LooksAhead { get; } = steps.LooksAhead;

    /// <summary>What is held of a site; where nothing has moved it, all positions of row 0.</summary>
    public PackedRows Of(int site) => _held[site] ?? Still(atOne: false);

    /// <summary>Says what is held of a site.</summary>
    public void Hold(int site, PackedRows rows) => _held[site] = rows;

    /// <summary>Nothing of a site is held any more.</summary>
    public void Drop(int site) => _held[site] = null;

    /// <summary>Whether anything that a step reads has moved.</summary>
    public bool AreMoved(MovedSteps.Step step) => step.Reads.Any(i => _held[i] is not null);

    /// <summary>The positions that are run on the way to a site, and those that are held of it then.</summary>
    /// <param name="rows">Those that have joined and not left.</param>
    public (PackedRows Run, PackedRows Made) To(int site, MovedSteps.Step step, IEnumerable<int> rows)
    {
        var atOne = steps.IsReadAtOnePosition(site);
        var differing = Differing(step, atOne && !step.Mixes, rows);
        return (differing, step.Mixes ? Behind(differing, atOne) : differing);
    }

    /// <summary>Where rows differ in what a step reads.</summary>
    /// <param name="atOne">Only the metric's position is run.</param>
    /// <param name="rows">Those that have joined and not left.</param>
    public PackedRows Differing(MovedSteps.Step step, bool atOne, IEnumerable<int> rows)
    {
        var differing = Still(atOne);
        foreach (var row in rows)
        {
            var (first, end) = (int.MaxValue, 0);
            foreach (var i in step.Reads)
            {
                if (_held[i]?.Of(row) is not { } span) continue;
                (first, end) = (Math.Min(first, span.First), Math.Max(end, span.End));
            }
            if (!atOne && end > 0) differing.Add(row, first, end - first);
            if (atOne && metricPosition >= first && metricPosition < end) differing.Add(row, metricPosition, 1);
        }
        return differing;
    }

    // where they can differ behind what mixes positions
    private PackedRows Behind(PackedRows before, bool atOne)
    {
        var rows = Still(atOne);
        foreach (var span in before.Spans.Skip(1))
        {
            var first = atOne ? metricPosition : LooksAhead ? 0 : span.First;
            rows.Add(span.Row, first, atOne ? 1 : positions - first);
        }
        return rows;
    }

    private PackedRows Still(bool atOne) => atOne ? new PackedRows(metricPosition, 1) : new PackedRows(0, positions);
}
