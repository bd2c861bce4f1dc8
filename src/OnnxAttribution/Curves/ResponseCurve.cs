using OnnxAttribution.Bundles;

namespace OnnxAttribution.Curves;

/// <summary>
/// The activation of a downstream feature against the coefficient that an upstream feature is scaled with, everything between the two
/// computed again, so that all paths count. Arrays are by token position q of the downstream feature; T positions, C coefficients.
/// </summary>
internal sealed class ResponseCurve
{
    /// <summary>The feature that is scaled, at one position or at all.</summary>
    public required FeatureName Up { get; init; }

    /// <summary>The feature that is read.</summary>
    public required FeatureName Down { get; init; }

    /// <summary>Token ids, BOS included.</summary>
    public required IReadOnlyList<int> Tokens { get; init; }

    /// <summary>[C], ascending.</summary>
    public required IReadOnlyList<double> Coefficients { get; init; }

    /// <summary>Activation of the upstream feature in the clean run, by position; 0 where it is not active or is left as it is.</summary>
    public required IReadOnlyList<float> Scaled { get; init; }

    /// <summary>[C][T], activation of the downstream feature. At coefficient 1 it is the clean run's.</summary>
    public required IReadOnlyList<float[]> Activation { get; init; }

    /// <summary>[T], its activation in the clean run.</summary>
    public required IReadOnlyList<float> Clean { get; init; }

    /// <summary>[T], slope of the gradient's line, activation per unit of the coefficient: Σ_p ∂f_down(q)/∂f_up(p) · f_up(p).
    /// 0 where the downstream feature is not active in the clean run.</summary>
    public required IReadOnlyList<float> Slope { get; init; }

    /// <summary>Where the curve bends, by position, then by coefficient.</summary>
    public required IReadOnlyList<Kink> Kinks { get; init; }

    /// <summary>Calls of the runtime.</summary>
    public required int RuntimeCalls { get; init; }

    /// <summary>The position with the largest response: largest minus smallest activation over the
    /// coefficients and the clean run. The last of equals.</summary>
    public int StrongestPosition => Enumerable.Range(0, Tokens.Count).Reverse().MaxBy(Response);

    /// <summary>Largest minus smallest activation at a position.</summary>
    public float Response(int position)
    {
        var all = Activation.Select(a => a[position]).Append(Clean[position]).ToArray();
        return all.Max() - all.Min();
    }

    /// <summary>The gradient's straight line: f(q) + slope · (c − 1).</summary>
    public double Line(int step, int position) => Clean[position] + (Slope[position] * (Coefficients[step] - 1));

    /// <summary>Of the least-squares straight line through the curve's points:
    /// 1 for a straight line, NaN for a constant or a single point.</summary>
    public double RSquared(int position) => StraightLine.RSquared(Coefficients, [.. Activation.Select(a => (double)a[position])]);

    /// <summary>Largest |activation − gradient's line| over the coefficients, and the index of the coefficient where it is.</summary>
    public (double Difference, int Step) LargestDifference(int position)
    {
        var step = Enumerable.Range(0, Coefficients.Count).MaxBy(i => Math.Abs(Activation[i][position] - Line(i, position)));
        return (Math.Abs(Activation[step][position] - Line(step, position)), step);
    }
}
