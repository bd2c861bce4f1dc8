namespace OnnxAttribution.Circuits;

/// <summary>What stands in the place of a node that is taken away.</summary>
public enum AblationKind
{
    /// <summary>0, for a feature and for the error.</summary>
    Zero,

    /// <summary>Its mean over a text.</summary>
    Mean,

    /// <summary>What it is in the patch run.</summary>
    Patch,
}
