namespace OnnxAttribution.Comparison;

/// <summary>Which nodes of two runs are the same.</summary>
public enum RunAlignment
{
    /// <summary>Those of one site, feature and token position, counted from the first token.</summary>
    Position,

    /// <summary>Those of one site and feature: each run is summed over its positions first.</summary>
    Feature,
}
