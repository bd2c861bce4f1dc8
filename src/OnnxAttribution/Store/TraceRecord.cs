namespace OnnxAttribution.Store;

/// <summary>trace.json: along which direction the residual stream was followed.</summary>
internal sealed record TraceRecord
{
    /// <summary>The prompt, as it was given.</summary>
    public string? Prompt { get; init; }

    /// <summary>Whether a BOS was put in front.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>Token ids of the prompt, [T], BOS included.</summary>
    public required IReadOnlyList<int> Tokens { get; init; }

    /// <summary>The texts of these tokens, [T].</summary>
    public required IReadOnlyList<string> TokenStrings { get; init; }

    /// <summary>What the direction is of: a feature, whose decoder row it is, or <c>target</c>, <c>foil</c> or <c>metric</c>, what these
    /// read of the final stream.</summary>
    public required string Along { get; init; }

    /// <summary>Text of the token that <c>target</c>, <c>foil</c> or <c>metric</c> is about; null of a feature.</summary>
    public string? Target { get; init; }

    /// <summary>Text of the token that <c>metric</c> sets it against, where it is a logit difference.</summary>
    public string? Foil { get; init; }

    /// <summary>The direction's mean was taken out, since the model's norms take the stream's out.</summary>
    public bool Centred { get; init; }

    /// <summary>The token position that was asked for, from 0, BOS counted: the final stream there says what a token's direction is.
    /// </summary>
    public int Position { get; init; }

    /// <summary>The least cosine of the features that are told.</summary>
    public double Cosine { get; init; }

    /// <summary>The largest |h + attn + mlp − h behind|, which rounding makes.</summary>
    public double? Miss { get; init; }

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
