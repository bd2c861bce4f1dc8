namespace OnnxAttribution.Files;

/// <summary>What was asked for cannot be done: input, a file or a setting is at fault.
/// The message is one line that names it and says what to do.</summary>
public abstract class OnnxAttributionException : Exception
{
    private protected OnnxAttributionException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    /// <summary>What to choose otherwise. The message says it in words; the command line adds the names of its options.</summary>
    internal IReadOnlyList<Setting> Settings { get; init; } = [];

    /// <summary>What to do next; null where there is no one thing.
    /// The message says it in words; the command line adds its command.</summary>
    internal NextStep? Next { get; init; }
}
