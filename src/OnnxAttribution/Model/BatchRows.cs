namespace OnnxAttribution.Model;

/// <summary>How many rows of a batch one run takes.</summary>
internal static class BatchRows
{
    /// <summary>More rows than these make no product faster.</summary>
    private const int Most = 1024;

    /// <summary>As many as the budget holds, and so few that no tensor that goes in or comes out passes 2 GiB:
    /// spans count in <see cref="int"/>.</summary>
    /// <param name="bytesPerRow">What a row takes while the graph runs.</param>
    /// <param name="largest">Numbers, float32, of one row of the largest input or output.</param>
    /// <param name="least">At least so many, whatever the budget.</param>
    public static int Of(long memoryBudget, long bytesPerRow, long largest, int least) =>
        (int)Math.Clamp(Math.Min(memoryBudget / Math.Max(1, bytesPerRow), int.MaxValue / (sizeof(float) * Math.Max(1, largest))), least,
            Most);
}
