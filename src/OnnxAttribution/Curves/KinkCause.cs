namespace OnnxAttribution.Curves;

/// <summary>Why a response curve bends.</summary>
public enum KinkCause
{
    /// <summary>The downstream feature becomes active, or enters the strongest of a TopK dictionary.</summary>
    SwitchesOn,

    /// <summary>It becomes inactive, or leaves the strongest.</summary>
    SwitchesOff,

    /// <summary>A head looks at another key most.</summary>
    Attention,

    /// <summary>The slope changes, and none of the above is there.</summary>
    Unknown,
}
