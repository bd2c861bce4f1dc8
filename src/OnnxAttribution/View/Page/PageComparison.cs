using OnnxAttribution.Comparison;

namespace OnnxAttribution.View.Page;

/// <summary>Of a page of two runs, in which of them each node and edge is: 0 both, 1 both with opposite signs, 2 only A, 3 only B.
/// </summary>
/// <param name="Runs">A and B.</param>
/// <param name="Align">What was taken for the same: <c>position</c> or <c>feature</c>.</param>
/// <param name="Nodes">Of each drawn node; of the metric 0.</param>
/// <param name="Edges">Of each drawn edge.</param>
/// <param name="Counts">Nodes, then edges: how many of each of the four there are in both runs, drawn or not.</param>
/// <param name="Spearman">Rank correlation of shared nodes' effects, then edges'.</param>
/// <param name="Notes">In what the runs differ.</param>
internal sealed record PageComparison(IReadOnlyList<PageCompared> Runs, string Align, IReadOnlyList<int> Nodes, IReadOnlyList<int> Edges,
    IReadOnlyList<IReadOnlyList<int>> Counts, IReadOnlyList<double?> Spearman, IReadOnlyList<string> Notes)
{
    public static PageComparison Of(ComparedPicture compared)
    {
        var (comparison, nodes, edges) = (compared.Comparison, compared.Nodes, compared.Edges);
        var a = PageCompared.Of(comparison.A) with
        {
            Effects = [.. nodes.Select(n => FiveDigits.OrNull(n?.EffectA))],
            Activations = [.. nodes.Select(n => FiveDigits.OrNull(n?.ActivationA))],
            EdgeEffects = [.. edges.Select(e => FiveDigits.OrNull(e.EffectA))],
        };
        var b = PageCompared.Of(comparison.B) with
        {
            Effects = [.. nodes.Select(n => FiveDigits.OrNull(n?.EffectB))],
            Activations = [.. nodes.Select(n => FiveDigits.OrNull(n?.ActivationB))],
            EdgeEffects = [.. edges.Select(e => FiveDigits.OrNull(e.EffectB))],
        };
        return new PageComparison([a, b], comparison.Alignment == RunAlignment.Feature ? "feature" : "position",
            [.. nodes.Select(n => (int)(n?.Presence ?? Presence.Both))], [.. edges.Select(e => (int)e.Presence)],
            [FourOf(comparison.NodeCounts), FourOf(comparison.EdgeCounts)],
            [FiveDigits.OrNull(comparison.NodeCounts.Spearman), FiveDigits.OrNull(comparison.EdgeCounts.Spearman)], comparison.Notes);
    }

    private static IReadOnlyList<int> FourOf(ComparedCounts c) => [c.Both, c.Opposite, c.OnlyA, c.OnlyB];
}

/// <summary>One of two runs: what was asked of it, and its effects and activations by the page's nodes and edges.</summary>
/// <param name="Position">Of the metric; −1: none.</param>
/// <param name="Clean">The metric's clean value; null of many prompts, whose metrics are about tokens of their own.</param>
internal sealed record PageCompared(string Run, string Title, IReadOnlyList<string> Tokens, int Position, string? Target, string? Foil,
    string Metric, double? Clean)
{
    /// <summary>What the run does to a node, as <see cref="PageRun"/> has it.</summary>
    public bool Ablation { get; init; }
    public double Coefficient { get; init; }
    public bool Patched { get; init; }

    public IReadOnlyList<double?> Effects { get; init; } = [];
    public IReadOnlyList<double?> Activations { get; init; } = [];
    public IReadOnlyList<double?> EdgeEffects { get; init; } = [];

    public static PageCompared Of(ComparedSide side)
    {
        var header = new PictureHeader(side.Stored.Record);
        return new PageCompared(side.Run, header.Title, header.Tokens, side.Stored.MetricPosition ?? -1, header.Target, header.Foil,
            header.MetricWords, header.IsMerged ? null : FiveDigits.OrNull(header.CleanMetric))
        {
            Ablation = header.IsAblation,
            Coefficient = FiveDigits.Of(header.Coefficient),
            Patched = header.IsPatched,
        };
    }
}
