namespace OnnxAttribution.Preflight;

/// <summary>On how much text dictionaries are checked.</summary>
internal sealed record CheckOptions
{
    /// <summary>Longest sequence, in tokens with BOS, unless another is asked for or the model's context is shorter.
    /// What most dictionaries were trained with.</summary>
    public const int DefaultContext = 128;

    /// <summary>Tokens of the text at most.</summary>
    public long Tokens { get; init; } = 16384;

    /// <summary>Tokens of a sequence, BOS included; null: <see cref="DefaultContext"/>,
    /// or the model's context where that is shorter.</summary>
    public int? Context { get; init; }

    /// <summary>Tokens, from the text's beginning, on which cross-entropies are measured,
    /// since that takes two passes over the rest of the model for each site; 0: not at all.</summary>
    public int LossTokens { get; init; } = 2048;

    /// <summary>Tokens on which other readings of a dictionary are tried.</summary>
    internal int SampleTokens { get; init; } = 256;

    /// <summary>Dictionaries for which a cause is looked for; of further ones it is only said that they look wrong.</summary>
    internal int MostDiagnosed { get; init; } = int.MaxValue;

    /// <summary>A few seconds' worth, as an export has it: no cross-entropies,
    /// and one cause, since dictionaries that came together have it in common.</summary>
    public static CheckOptions Quick { get; } = new() { Tokens = 256, LossTokens = 0, SampleTokens = 128, MostDiagnosed = 1 };
}
