namespace OnnxAttribution.Runs;

/// <summary>How far a dataset is.</summary>
/// <param name="Done">Prompts that are through, those found whole at the beginning included.</param>
/// <param name="Of">All of them.</param>
/// <param name="PerSecond">Prompts per second since the beginning; null before the first.</param>
internal readonly record struct DatasetProgress(int Done, int Of, double? PerSecond)
{
    /// <summary>Time to go at that rate; null before the first prompt.</summary>
    public TimeSpan? Remaining => PerSecond is > 0 and { } rate ? TimeSpan.FromSeconds((Of - Done) / rate) : null;
}
