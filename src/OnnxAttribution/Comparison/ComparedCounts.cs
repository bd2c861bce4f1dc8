using OnnxAttribution.Validation;

namespace OnnxAttribution.Comparison;

/// <summary>How far two graphs, A and B, agree on their nodes or on their edges.</summary>
/// <param name="Both">In both graphs, without <paramref name="Opposite"/>.</param>
/// <param name="Opposite">In both graphs, with effects of opposite signs.</param>
/// <param name="OnlyA">Only in A.</param>
/// <param name="OnlyB">Only in B.</param>
/// <param name="Spearman">Rank correlation of the effects over those that are in both graphs, from −1 to 1, no unit; equal effects share
/// the mean of their ranks. NaN below two, or where one side does not vary.</param>
public sealed record ComparedCounts(int Both, int Opposite, int OnlyA, int OnlyB, double Spearman)
{
    /// <summary>In both graphs, whatever the signs.</summary>
    public int Shared => Both + Opposite;

    internal static ComparedCounts Of(IEnumerable<(Presence Presence, float A, float B)> compared)
    {
        var counts = new int[4];
        var (a, b) = (new List<double>(), new List<double>());
        foreach (var (presence, effectA, effectB) in compared)
        {
            counts[(int)presence]++;
            if (presence is Presence.OnlyA or Presence.OnlyB) continue;
            a.Add(effectA);
            b.Add(effectB);
        }
        return new ComparedCounts(counts[(int)Presence.Both], counts[(int)Presence.Opposite], counts[(int)Presence.OnlyA],
            counts[(int)Presence.OnlyB], Agreement.Between([.. a], [.. b]).Spearman);
    }
}
