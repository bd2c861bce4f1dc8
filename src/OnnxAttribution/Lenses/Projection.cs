namespace OnnxAttribution.Lenses;

/// <summary>Dot products in double: sums that are to add up lose no digits to it.</summary>
internal static class Projection
{
    public static double Of(ReadOnlySpan<float> x, ReadOnlySpan<float> direction)
    {
        double sum = 0;
        for (var i = 0; i < x.Length; i++) sum += (double)x[i] * direction[i];
        return sum;
    }
}
