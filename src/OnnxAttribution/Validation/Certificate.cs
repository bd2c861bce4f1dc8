using OnnxAttribution.Attribution;

namespace OnnxAttribution.Validation;

/// <summary>How a certificate is made.</summary>
/// <param name="Samples">How many dropped nodes, how many subsets of them and how many dropped edges are really patched.</param>
/// <param name="Threshold">|effect| above which a dropped one counts as missed; null: the smallest that is kept.</param>
internal sealed record CertificatePlan(int Samples, int Seed, float? Threshold);

/// <summary>How large what a graph has left out can be.</summary>
/// <param name="Nodes">null where none was dropped.</param>
/// <param name="Edges">null where none was dropped, or there can be none.</param>
/// <param name="Sizes">Subsets by size, the largest first; none where every dropped node was measured.</param>
/// <param name="Checks">All that was measured.</param>
/// <param name="Rows">How many rows were run.</param>
internal sealed record Certificate(MissedBound? Nodes, MissedBound? Edges, IReadOnlyList<SubsetSize> Sizes,
    IReadOnlyList<CertificateCheck> Checks, int Rows);

/// <summary>What is known of the nodes, or the edges, that a graph has left out. With confidence 95 % both shares hold, and likewise the
/// bound.</summary>
/// <param name="Dropped">How many there are that can do anything.</param>
/// <param name="Measured">How many of them are known exactly.</param>
/// <param name="Threshold">|effect| above which one counts as missed.</param>
/// <param name="Above">How many of those measured are above it.</param>
/// <param name="ShareBound">The share of all dropped ones above it is at most this.</param>
/// <param name="Largest">The largest |effect| measured.</param>
/// <param name="LargerShareBound">The share of all dropped ones that are larger still is at most this.</param>
/// <param name="Bound">No |effect| is larger; null: there is no such bound.</param>
internal sealed record MissedBound(long Dropped, int Measured, double Threshold, int Above, double ShareBound, double Largest,
    double LargerShareBound, double? Bound)
{
    // each of two
    private const double BothShares = (1 - SampledShare.Confidence) / 2;

    /// <summary>What exact values say of all.</summary>
    /// <param name="known">|effect| of those that need no sample.</param>
    /// <param name="sampled">|effect| of those that were drawn from the rest.</param>
    public static MissedBound Of(long dropped, IReadOnlyList<double> known, IReadOnlyList<double> sampled, double threshold)
    {
        long AtMost(double limit) => known.LongCount(e => e > limit)
            + SampledShare.UpperBound(dropped - known.Count, sampled.Count, sampled.Count(e => e > limit), BothShares);
        var largest = known.Concat(sampled).DefaultIfEmpty(0).Max();
        var measured = known.Count + sampled.Count;
        return new MissedBound(dropped, measured, threshold, known.Concat(sampled).Count(e => e > threshold),
            (double)AtMost(threshold) / dropped, largest, (double)AtMost(largest) / dropped, measured == dropped ? largest : null);
    }
}

/// <summary>Subsets of one size.</summary>
/// <param name="Density">The probability that a node is in one.</param>
/// <param name="Nodes">How many are, on average.</param>
/// <param name="Bound">What they say of the largest |effect|, with confidence 95 %.</param>
internal sealed record SubsetSize(double Density, double Nodes, int Rows, double Bound);

/// <summary>One dropped node, one dropped edge or one subset of dropped nodes, really patched.</summary>
/// <param name="Up">The node, or the edge's upstream end; null: a subset.</param>
/// <param name="Down">The edge's downstream end; null where it is the metric, and for the others.</param>
/// <param name="Density">Of a subset; NaN of the others.</param>
/// <param name="Nodes">How many were patched at once.</param>
/// <param name="ApproxEffect">What the run thinks, of a subset the sum; NaN of an edge, which the run has not.</param>
internal sealed record CertificateCheck(bool IsEdge, CausalNode? Up, CausalNode? Down, double Density, int Nodes, float ApproxEffect,
    float ExactEffect);
