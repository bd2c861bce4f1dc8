using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>run.json of one prompt.</summary>
public abstract record PromptRunRecord : RunRecord
{
    /// <summary>The clean prompt, as it was given.</summary>
    [JsonPropertyOrder(10)]
    public string? Prompt { get; init; }

    /// <summary>The patch prompt; null without one.</summary>
    [JsonPropertyOrder(11)]
    public string? PatchPrompt { get; init; }

    /// <summary>The prompt's id in its file of prompts; absent for a prompt that was typed.</summary>
    [JsonPropertyOrder(12), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    /// <summary>Whether a BOS was put in front.</summary>
    [JsonPropertyOrder(13)]
    public bool? PrependBos { get; init; }

    /// <summary>Token ids of the clean prompt, [T], BOS included.</summary>
    [JsonPropertyOrder(14)]
    public IReadOnlyList<int>? Tokens { get; init; }

    /// <summary>The texts of these tokens, [T].</summary>
    [JsonPropertyOrder(15)]
    public IReadOnlyList<string>? TokenStrings { get; init; }

    /// <summary>Token ids of the patch prompt, [T] as well; null without one.</summary>
    [JsonPropertyOrder(16)]
    public IReadOnlyList<int>? PatchTokens { get; init; }

    /// <summary>The texts of these tokens, [T]; null without a patch prompt.</summary>
    [JsonPropertyOrder(17)]
    public IReadOnlyList<string>? PatchTokenStrings { get; init; }

    /// <summary>The token position that the metric is read at, from 0, BOS counted.</summary>
    [JsonPropertyOrder(101)]
    public int? Position { get; init; }

    /// <summary>Text of the token that the metric is about; null for <c>kl</c>.</summary>
    [JsonPropertyOrder(102)]
    public string? Target { get; init; }

    /// <summary>The target's token id.</summary>
    [JsonPropertyOrder(103)]
    public int? TargetId { get; init; }

    /// <summary>The target's probability in the clean run, at the metric's position, from 0 to 1; null where there is no target, and in
    /// runs of earlier versions.</summary>
    [JsonPropertyOrder(103)]
    public float? TargetProbability { get; init; }

    /// <summary>Text of the token that <c>logit-diff</c> sets it against; null for other metrics.</summary>
    [JsonPropertyOrder(104)]
    public string? Foil { get; init; }

    /// <summary>The foil's token id.</summary>
    [JsonPropertyOrder(105)]
    public int? FoilId { get; init; }

    /// <summary>The foil's probability in the clean run, at the metric's position, from 0 to 1; null where there is no foil, and in runs
    /// of earlier versions.</summary>
    [JsonPropertyOrder(105)]
    public float? FoilProbability { get; init; }

    /// <summary>The ten likeliest next tokens of the clean run, the likeliest first.</summary>
    [JsonPropertyOrder(108)]
    public IReadOnlyList<TopTokenRecord>? TopTokens { get; init; }

    /// <summary>Seconds by stage. <c>sessions</c>, making ONNX Runtime's sessions, is a part of the stages and not beside them.</summary>
    [JsonPropertyOrder(303), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, double?>? Timings { get; init; }
}

/// <summary>A likely next token.</summary>
/// <param name="Id">Its token id.</param>
/// <param name="Token">Its text.</param>
/// <param name="Probability">Its probability in the clean run, from 0 to 1.</param>
public sealed record TopTokenRecord(int? Id, string? Token, float? Probability);
