namespace OnnxAttribution.Validation;

/// <summary>How soon an estimate leads to the nodes that really are the strongest: nodes are patched in the order of the estimate's
/// magnitudes, each for one more forward pass.</summary>
/// <param name="Estimator">Name of what was judged.</param>
/// <param name="Passes">What estimating all nodes took, in forward passes; NaN where that is not known.</param>
/// <param name="Ranks">Ascending: after so many patched nodes the first, the second, … of the truly strongest is found.</param>
/// <remarks>Kramár et al. 2024 (arXiv:2403.00745), section 4, where it is called cost and verified recall.</remarks>
internal sealed record CostRecall(string Estimator, double Passes, IReadOnlyList<int> Ranks)
{
    /// <summary>How many of the strongest nodes are looked for, where as many were checked.</summary>
    public const int Top = 50;

    /// <summary>Compares two orders of the same nodes. Of equal magnitudes the earlier node counts as larger; NaN comes last.</summary>
    public static CostRecall Of(string estimator, double passes, IReadOnlyList<float> exact, IReadOnlyList<float> approximate)
    {
        var order = Ordered(approximate);
        var rank = new int[order.Length];
        for (var i = 0; i < order.Length; i++) rank[order[i]] = i + 1;
        return new CostRecall(estimator, passes, [.. Ordered(exact).Take(Top).Select(i => rank[i]).Order()]);
    }

    private static int[] Ordered(IReadOnlyList<float> values) =>
        [.. Enumerable.Range(0, values.Count).OrderByDescending(i => float.IsNaN(values[i]) ? -1 : Math.Abs(values[i])).ThenBy(i => i)];
}
