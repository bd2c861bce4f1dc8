namespace OnnxAttribution.Tests.Autodiff;

/// <summary>What a model file says of the axes of its inputs,
/// which decides between sizes written into a gradient graph and sizes read at run time.</summary>
public enum KnownAxes
{
    /// <summary>Every size.</summary>
    BySize,

    /// <summary>A name for every axis, its own; only an axis of size 1 is declared as such,
    /// since a named axis counts as not broadcast.</summary>
    ByName,

    /// <summary>Nothing but how many there are.</summary>
    ByRank,
}
