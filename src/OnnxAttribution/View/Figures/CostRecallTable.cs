using System.Globalization;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>What each estimator takes and how soon it leads to the nodes that really are the strongest, as a table of texts.</summary>
internal static class CostRecallTable
{
    /// <summary>Of <see cref="Rows"/>: the estimator, what it takes, what its own first nodes hold, and what it takes to find nearly all,
    /// estimate and patches together.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["estimator", "passes", "found at once", "after twice", "passes for 80 %", "for 90 %", "for all"];

    /// <summary>Such as <c>The strongest 50 nodes: share found, and cost in forward passes</c>.</summary>
    /// <param name="model">Behind the nodes: which model they are the strongest in, where there are two.</param>
    public static string Title(IReadOnlyList<CostRecallRecord> costs, string model = "") => string.Create(CultureInfo.InvariantCulture,
        $"The strongest {costs.Select(c => c.Top).DefaultIfEmpty(0).Max():N0} nodes{model}: share found, and cost in forward passes");

    /// <summary>A row per estimator, in the order given.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows(IReadOnlyList<CostRecallRecord> costs) => costs.Select(c => (string[])
    [
        c.Estimator, Passes(c.Passes), Share(c, 1), Share(c, 2), PassesFor(c, 0.8), PassesFor(c, 0.9), PassesFor(c, 1),
    ]);

    private static string Share(CostRecallRecord c, int times) => NumberText.Percent(c.FoundAfter(times * c.Top));

    private static string PassesFor(CostRecallRecord c, double share) => Passes(c.Passes + c.PatchedFor(share));

    private static string Passes(double? passes) =>
        passes is { } p ? p.ToString(p < 100 ? "0.0" : "#,0", CultureInfo.InvariantCulture) : "–";
}
