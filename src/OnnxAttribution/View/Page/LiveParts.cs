namespace OnnxAttribution.View.Page;

/// <summary>What makes a page a live one: elements that hold a model, its weights and the runtime, which the live script reads.</summary>
/// <param name="Elements">Markup, safe as it stands.</param>
internal sealed record LiveParts(IReadOnlyList<string> Elements)
{
    /// <summary>Scripts beside the page hold the weights.</summary>
    public bool IsFolder { get; init; }
}
