using OnnxAttribution.Circuits;

namespace OnnxAttribution.Runs;

/// <summary>One size on a curve, over all prompts.</summary>
/// <param name="Faithfulness">Mean over the prompts that have one; NaN where none has. Likewise <paramref name="Completeness"/>.</param>
/// <param name="Random">Mean over random circuits of their mean over prompts,
/// and the standard deviation over random circuits; NaN without controls.</param>
internal sealed record FaithfulnessMean(
    AblationKind Ablation, ErrorRule Errors, int Nodes, int Of, double Faithfulness, double Completeness,
    (double Mean, double Spread) Random, (double Mean, double Spread) RandomCompleteness)
{
    /// <param name="points">Of all prompts.</param>
    public static IReadOnlyList<FaithfulnessMean> Over(IEnumerable<FaithfulnessPoint> points) =>
        [.. points.GroupBy(p => (p.Ablation, p.Errors, p.Nodes, p.Of))
            .Select(g => new FaithfulnessMean(g.Key.Ablation, g.Key.Errors, g.Key.Nodes, g.Key.Of,
                Mean(g.Where(p => p.Control is null).Select(p => p.Faithfulness)),
                Mean(g.Where(p => p.Control is null).Select(p => p.Completeness)), Spread(g, p => p.Faithfulness),
                Spread(g, p => p.Completeness)))];

    private static (double, double) Spread(IEnumerable<FaithfulnessPoint> points, Func<FaithfulnessPoint, double> of)
    {
        double[] controls =
            [.. points.Where(p => p.Control is not null).GroupBy(p => p.Control).Select(c => Mean(c.Select(of))).Where(double.IsFinite)];
        var mean = Mean(controls);
        return (mean, controls.Length < 2 ? double.NaN : Math.Sqrt(controls.Sum(c => (c - mean) * (c - mean)) / (controls.Length - 1)));
    }

    private static double Mean(IEnumerable<double> values) => values.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();
}
