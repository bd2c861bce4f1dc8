namespace OnnxAttribution.Files;

/// <summary>How much of a list of records lies in memory, and where the rest does.</summary>
/// <param name="Bytes">About so many lie in memory.</param>
/// <param name="Directory">Takes the rest, and is made where it is missing; null: where the system keeps temporary files.</param>
internal sealed record SpillRoom(long Bytes, string? Directory = null)
{
    /// <summary>All in memory.</summary>
    public static SpillRoom Memory { get; } = new(long.MaxValue);
}
