namespace OnnxAttribution.Validation;

/// <summary>Why a node or an edge is checked.</summary>
internal enum Stratum
{
    /// <summary>Of those kept, among the largest |effect| of its site, or pair of sites.</summary>
    Strongest,

    /// <summary>Kept, drawn at random.</summary>
    Kept,

    /// <summary>Not in the graph, drawn at random: what selection may have missed.</summary>
    Dropped,

    /// <summary>Everything was asked for.</summary>
    All,
}
