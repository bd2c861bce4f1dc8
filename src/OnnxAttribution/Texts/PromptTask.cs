namespace OnnxAttribution.Texts;

/// <summary>One prompt and what is asked of it, in words.</summary>
/// <param name="Prompt">The prompt's text, not empty, without BOS.</param>
/// <param name="Target">Text of exactly one token; null: the model's own top token.</param>
/// <param name="Foil">Text of exactly one token; null: the best other token.</param>
/// <param name="PatchPrompt">As many tokens as <paramref name="Prompt"/>; null: zero ablation.</param>
/// <param name="Id">Names the run directory among many; null for a single prompt.</param>
public sealed record PromptTask(string Prompt, string? Target = null, string? Foil = null, string? PatchPrompt = null, string? Id = null)
{
    /// <summary>The name of the directory that the merged graph is in, which no line may have as its id.</summary>
    internal const string MergedId = "merged";

    /// <summary>The prompt's text, not empty, without BOS.</summary>
    /// <exception cref="ArgumentNullException">There is none.</exception>
    public string Prompt { get; init; } = Prompt ?? throw new ArgumentNullException(nameof(Prompt));

    /// <summary>What kind of prompt it is, for who compares kinds, such as its template's name; null: nothing is said.</summary>
    public string? Label { get; init; }

    /// <summary>The template that it was made of; null: none.</summary>
    internal TemplateOrigin? Origin { get; init; }
}
