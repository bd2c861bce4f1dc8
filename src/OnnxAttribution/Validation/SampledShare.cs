namespace OnnxAttribution.Validation;

/// <summary>What a simple random sample, drawn without replacement, says of the share of a finite population that has a property.</summary>
/// <remarks>Clopper and Pearson 1934, with the hypergeometric distribution in place of the binomial one that it tends to where the
/// population is large: nothing is assumed of the population, and a sample of everything gives the share itself.</remarks>
internal static class SampledShare
{
    /// <summary>How sure every bound is to hold.</summary>
    public const double Confidence = 0.95;

    /// <summary>The most members that may have the property: with more, as few in the sample would have a chance of at most
    /// <paramref name="miss"/>.</summary>
    /// <param name="sample">How many were drawn, at most <paramref name="population"/>.</param>
    /// <param name="having">How many of them have it.</param>
    /// <param name="miss">How often the bound may fail.</param>
    public static long UpperBound(long population, int sample, int having, double miss = 1 - Confidence)
    {
        long low = having, high = population - (sample - having);
        while (low < high)
        {
            var middle = low + ((high - low + 1) / 2);
            if (AtMost(population, middle, sample, having) > miss) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    // P(at most so many in the sample): terms from the least that can be on, each from the one before, by logarithms
    private static double AtMost(long population, long members, int sample, int having)
    {
        var least = (int)Math.Max(0, sample - (population - members));
        if (having < least) return 0;
        var term = Log(members, least) + Log(population - members, sample - least) - Log(population, sample);
        var sum = Math.Exp(term);
        for (var i = least; i < having; i++)
        {
            term += Math.Log((double)(members - i) * (sample - i))
                - Math.Log((i + 1.0) * (population - members - sample + i + 1));
            sum += Math.Exp(term);
        }
        return sum;
    }

    // log of the number of choices
    private static double Log(long from, int count)
    {
        var sum = 0.0;
        for (var i = 0; i < count; i++) sum += Math.Log((double)(from - i) / (i + 1));
        return sum;
    }
}
