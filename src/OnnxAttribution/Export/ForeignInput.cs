namespace OnnxAttribution.Export;

/// <summary>What an input of a foreign graph holds for a prompt without padding and without a past.</summary>
internal enum ForeignInput
{
    /// <summary>Nothing is known of it.</summary>
    Other,

    /// <summary>The token ids.</summary>
    Tokens,

    /// <summary>1 at every token: a mask.</summary>
    Ones,

    /// <summary>0, 1, … along the positions.</summary>
    Positions,

    /// <summary>0 at every token: the first segment.</summary>
    Zeros,

    /// <summary>Keys or values of earlier tokens, of which there are none.</summary>
    Past,

    /// <summary>Whether there are earlier tokens: false.</summary>
    HasPast,
}
