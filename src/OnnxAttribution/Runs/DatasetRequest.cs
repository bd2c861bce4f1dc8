namespace OnnxAttribution.Runs;

/// <summary>How a dataset is laid out, and what of it is written now.</summary>
public sealed record DatasetRequest
{
    /// <summary>How many prompts a part holds unless asked otherwise.</summary>
    public const int UsualPartSize = 64;

    /// <summary>How many prompts a part holds, which is written at once: what a kill loses at most. 1 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less.</exception>
    public int PartSize
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            field = value;
        }
    } = UsualPartSize;

    /// <summary>Whether nodes that were not kept are written too.</summary>
    public bool AllNodes { get; init; }

    /// <summary>Whether a dataset that is there is gone on with, where it was asked for the same.</summary>
    public bool Resume { get; init; }

    /// <summary>Which parts are written now; all of them unless asked otherwise.</summary>
    public PromptShard Shard { get; init; } = PromptShard.Whole;
}
