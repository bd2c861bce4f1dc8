namespace OnnxAttribution.Store;

/// <summary>patching.json: what was patched, between which prompts, and what both runs say.</summary>
internal sealed record PatchRecord
{
    /// <summary>The kinds of activations.</summary>
    public required IReadOnlyList<string> What { get; init; }

    /// <summary>Whether heads were patched at each position too.</summary>
    public bool ByPosition { get; init; }

    /// <summary><c>denoising</c>: the corrupted run was patched, or <c>noising</c>: the clean one.</summary>
    public required string Direction { get; init; }

    /// <summary>Whether there are estimates beside what was measured.</summary>
    public bool Estimate { get; init; }

    /// <summary>The metric, by its name.</summary>
    public required string Metric { get; init; }

    /// <summary>The token position that it was read at, from 0, BOS counted.</summary>
    public int Position { get; init; }

    /// <summary>Its value in the clean runs, a mean, in its own unit.</summary>
    public double CleanMetric { get; init; }

    /// <summary>Its value in the corrupted runs, likewise.</summary>
    public double CorruptedMetric { get; init; }

    /// <summary>Whether prompts got a BOS.</summary>
    public bool PrependBos { get; init; }

    /// <summary>Text of each token; null where prompts have different ones.</summary>
    public required IReadOnlyList<string?> Tokens { get; init; }

    /// <summary>The pairs of prompts.</summary>
    public required IReadOnlyList<PatchedPromptRecord> Prompts { get; init; }

    /// <summary>How many calls of ONNX Runtime were made.</summary>
    public int RuntimeCalls { get; init; }

    /// <summary>Seconds that it took, opening the model not included.</summary>
    public double Seconds { get; init; }

    /// <summary>The model's name.</summary>
    public string? Model { get; init; }

    /// <summary>The bundle's directory, as it was given.</summary>
    public string? ModelPath { get; init; }

    /// <summary>SHA-256 of the bundle's bundle.json.</summary>
    public string? BundleSha256 { get; init; }

    /// <summary>What made it: <c>onnx-attribution</c>.</summary>
    public string? Program { get; init; }

    /// <summary>The program's version.</summary>
    public string? Version { get; init; }

    /// <summary>The command as it could be typed again; null where a program asked.</summary>
    public string? CommandLine { get; init; }
}

/// <summary>A pair of prompts.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Prompt">The clean prompt.</param>
/// <param name="PatchPrompt">The corrupted one.</param>
/// <param name="Target">Text of the token that the metric is about; null for <c>kl</c>.</param>
/// <param name="Foil">Text of the token that <c>logit-diff</c> sets it against; null for other metrics.</param>
/// <param name="CleanMetric">The metric of the clean run, in its own unit.</param>
/// <param name="CorruptedMetric">That of the corrupted run.</param>
internal sealed record PatchedPromptRecord(string Id, string Prompt, string PatchPrompt, string? Target, string? Foil, double CleanMetric,
    double CorruptedMetric);
