namespace OnnxAttribution.Export;

/// <summary>What an input of a foreign graph holds for a prompt without padding and without a past.</summary>
internal enum ForeignInput
{
    /// <summary>Nothing is known of it, or it holds the tokens.</summary>
    Other,

    /// <summary>1 at every token: a mask.</summary>
    Ones,

    /// <summary>0, 1, … along the positions.</summary>
    Positions,

    /// <summary>0 at every token: the first segment.</summary>
    Zeros,
}
