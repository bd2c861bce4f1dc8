namespace OnnxAttribution.Runs;

/// <summary>How a dataset is laid out.</summary>
/// <param name="PartSize">Prompts in a part, which is written at once: what a kill loses at most.</param>
/// <param name="AllNodes">Whether nodes that were not kept are written too.</param>
internal sealed record DatasetRequest(int PartSize = DatasetRequest.UsualPartSize, bool AllNodes = false)
{
    /// <summary>How many prompts a part holds unless asked otherwise.</summary>
    public const int UsualPartSize = 64;
}
