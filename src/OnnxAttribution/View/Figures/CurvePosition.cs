namespace OnnxAttribution.View.Figures;

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
