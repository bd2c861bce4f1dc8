using MathNet.Numerics.Distributions;

namespace OnnxAttribution.Validation;

/// <summary>
/// What random subsets of nodes, really patched at once, say of every node in them. Each node is in a subset with probability
/// p = 2^-k. With S for a subset, Y(S) for what patching it does to the metric and a_i for the effect that node i is thought to have:
/// 1. Z(S) = Y(S) − Σ_{i in S} a_i is measured on m independent subsets and sorted; the r smallest and the r largest are cut off.
///    r is the largest number for which P(Binomial(m, p/2) ≤ 2r − 1) ≤ 5 %, so that with confidence 95 % the interval that is left
///    holds more than 1 − p/2 of all subsets (Wilks 1941). L is its length.
/// 2. A context R of node i is a random subset of the others. S is R with probability 1 − p, and R and i with probability p ≤ 1/2.
///    D_i(R) = Z(R and i) − Z(R) is what i does in that context beyond a_i. Where |D_i(R)| > L, one of the two lies outside of the
///    interval, so P(outside) ≥ p · P(|D_i(R)| > L). Outside lies less than p/2: every node has |D_i(R)| ≤ L in more than half of its
///    contexts, all nodes at once, whatever the model.
/// 3. Where a node is no weaker alone than in half of its contexts (P(|D_i(R)| ≥ |e_i − a_i|) ≥ 1/2; so it is where effects add up, and
///    where contexts change an effect up as often as down), its effect e_i has |e_i − a_i| ≤ L.
/// </summary>
/// <remarks>Kramár et al. 2024 (arXiv:2403.00745) bound what they have missed by random subsets too.</remarks>
internal static class SubsetInterval
{
    /// <summary>The probability that a node is in a subset.</summary>
    public static double Density(int k) => Math.Pow(2, -k);

    /// <summary>The fewest subsets that bound anything, r being 1.</summary>
    public static int LeastRows(int k)
    {
        var rows = 2;
        while (Cut(rows, Density(k)) == 0) rows++;
        return rows;
    }

    /// <summary>How many subsets there are of each k = 1, 2, …: as many k as can be bounded, the fewest subsets of each, and all that are
    /// left of the last.</summary>
    /// <param name="nodes">That subsets are of: the last k leaves one in a subset, on average, or more.</param>
    /// <param name="rows">Subsets in all, at least <see cref="LeastRows"/> of 1.</param>
    public static int[] Plan(int nodes, int rows)
    {
        var plan = new List<int>();
        for (var k = 1; k == 1 || nodes * Density(k) >= 1; k++)
        {
            var least = LeastRows(k);
            if (plan.Sum() + least > rows) break;
            plan.Add(least);
        }
        plan[^1] += rows - plan.Sum();
        return [.. plan];
    }

    /// <summary>L.</summary>
    /// <param name="values">Z of each subset.</param>
    public static double Length(IEnumerable<double> values, double density)
    {
        double[] sorted = [.. values.Order()];
        var cut = Cut(sorted.Length, density);
        return cut == 0 ? double.PositiveInfinity : sorted[^cut] - sorted[cut - 1];
    }

    // r; 0: no interval is sure to hold enough
    private static int Cut(int rows, double density)
    {
        var cut = 0;
        while (2 * (cut + 1) <= rows && Binomial.CDF(density / 2, rows, (2 * cut) + 1) <= 1 - SampledShare.Confidence) cut++;
        return cut;
    }
}
