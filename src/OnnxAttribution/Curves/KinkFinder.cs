namespace OnnxAttribution.Curves;

/// <summary>Where a response curve kinks, and why.</summary>
internal static class KinkFinder
{
    /// <summary>A change of slope from one step to the next counts as a kink from this share of the curve's largest slope on.</summary>
    public const double KinkShare = 0.25;

    /// <summary>A kink that moves the activation by less than this share of its largest value is rounding.</summary>
    private const double Rounding = 1e-4;

    /// <summary>The kinks at one position of the downstream feature, by step.</summary>
    /// <param name="activation">[C], at that position.</param>
    /// <param name="switches">Attention switches that matter to it.</param>
    public static IEnumerable<Kink> Find(int position, IReadOnlyList<double> coefficients, IReadOnlyList<float> activation,
        IEnumerable<(int Step, AttentionSwitch Switch)> switches)
    {
        var largest = activation.Max();
        // where the feature is off at both ends, a switch of attention makes no kink
        var kinks = switches.Where(s => activation[s.Step] > 0 || activation[s.Step - 1] > 0)
            .Select(s => new Kink(s.Step, position, KinkCause.Attention, s.Switch))
            .ToList();
        for (var i = 1; i < activation.Count; i++)
        {
            if (activation[i] > 0 != activation[i - 1] > 0)
            {
                kinks.Add(new Kink(i, position, activation[i] > 0 ? KinkCause.SwitchesOn : KinkCause.SwitchesOff));
            }
        }
        var explained = kinks.Select(b => b.Step).ToHashSet();
        double Slope(int i) => (activation[i] - activation[i - 1]) / (coefficients[i] - coefficients[i - 1]);
        var steepest = Enumerable.Range(1, Math.Max(0, activation.Count - 1)).Select(i => Math.Abs(Slope(i))).DefaultIfEmpty(0).Max();
        for (var i = 1; i < activation.Count - 1; i++)
        {
            // a kink at i shows in the steps on both sides of it
            var change = Math.Abs(Slope(i + 1) - Slope(i));
            var moved = change * Math.Min(coefficients[i] - coefficients[i - 1], coefficients[i + 1] - coefficients[i]);
            if (change > KinkShare * steepest && moved > Rounding * largest && !explained.Contains(i) && !explained.Contains(i + 1))
            {
                kinks.Add(new Kink(i, position, KinkCause.Unknown));
            }
        }
        return kinks.OrderBy(b => b.Step).ThenBy(b => b.Cause);
    }
}
