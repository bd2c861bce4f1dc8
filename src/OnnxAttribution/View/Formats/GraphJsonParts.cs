namespace OnnxAttribution.View.Formats;

/// <summary>What graph JSON says that is not of the run.</summary>
internal sealed record GraphJsonParts
{
    /// <summary>The graph's name in a viewer; null: made of the run directory's.</summary>
    public string? Slug { get; init; }

    /// <summary>Where a viewer finds the features' files; null: it asks for them by the model's name.</summary>
    public string? Scan { get; init; }

    /// <summary>What is known of the features.</summary>
    public FeatureDetails Details { get; init; } = FeatureDetails.None;
}
