namespace OnnxAttribution.Circuits;

/// <summary>What becomes of the errors of the selected sites when only a circuit is kept.</summary>
public enum ErrorRule
{
    /// <summary>They stay, whatever the circuit.</summary>
    Keep,

    /// <summary>They are ablated, whatever the circuit.</summary>
    Remove,

    /// <summary>They are nodes as features are: kept where they are listed.</summary>
    Nodes,
}
