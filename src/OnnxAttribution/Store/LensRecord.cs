namespace OnnxAttribution.Store;

/// <summary>lens.json: what was read through a lens, and whether its summands add up.</summary>
internal sealed record LensRecord
{
    /// <summary>The prompt, as it was given; null of many.</summary>
    public string? Prompt { get; init; }

    /// <summary>The file of prompts that this is the mean over; null of one.</summary>
    public string? PromptsOf { get; init; }

    /// <summary>Over how many prompts values are means; 1: they are one prompt's.</summary>
    public int Prompts { get; init; } = 1;

    /// <summary>Whether a BOS was put in front.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>Token ids of the prompt, [T], BOS included; null of many.</summary>
    public IReadOnlyList<int>? Tokens { get; init; }

    /// <summary>The texts of these tokens, [T].</summary>
    public IReadOnlyList<string>? TokenStrings { get; init; }

    /// <summary>What is read: <c>logit-diff</c>, logit[target] − logit[foil], or <c>logit less the vocabulary's mean</c>, logit[target]
    /// less the mean of all logits.</summary>
    public required string Metric { get; init; }

    /// <summary>The token position that the metric and the summands are read at, from 0, BOS counted; null: each prompt's last.</summary>
    public int? Position { get; init; }

    /// <summary>Text of the token that the metric is about; null of many prompts: each has its own.</summary>
    public string? Target { get; init; }

    /// <summary>The target's token id.</summary>
    public int? TargetId { get; init; }

    /// <summary>Text of the token that <c>logit-diff</c> sets it against.</summary>
    public string? Foil { get; init; }

    /// <summary>The foil's token id.</summary>
    public int? FoilId { get; init; }

    /// <summary>The likeliest next tokens of the model at the metric's position, the likeliest first; null of many prompts.</summary>
    public IReadOnlyList<TopTokenRecord>? TopTokens { get; init; }

    /// <summary>By which scale the final norm divided what was read: <c>final</c>, the final stream's, or <c>own</c>.</summary>
    public required string Scale { get; init; }

    /// <summary>The metric in the model, in logits, below a soft cap.</summary>
    public double? Value { get; init; }

    /// <summary>What the whole summands add up to; null without summands.</summary>
    public double? Sum { get; init; }

    /// <summary>|sum − value|, in logits; the largest of many prompts.</summary>
    public double? Miss { get; init; }

    /// <summary>Whether the model lays a soft cap over its logits, which all values here lie below.</summary>
    public bool BelowSoftCap { get; init; }

    /// <summary>Why there are no summands; null where there are.</summary>
    public string? WithoutSummands { get; init; }

    /// <summary>The model's name.</summary>
    public string? Model { get; init; }

    /// <summary>The bundle's directory, as it was given.</summary>
    public string? ModelPath { get; init; }

    /// <summary>SHA-256 of its bundle.json.</summary>
    public string? BundleSha256 { get; init; }

    /// <summary>The command; null: from C#.</summary>
    public string? CommandLine { get; init; }

    /// <summary>What made it: <c>onnx-attribution</c>.</summary>
    public string? Program { get; init; }

    /// <summary>The program's version.</summary>
    public string? Version { get; init; }
}
