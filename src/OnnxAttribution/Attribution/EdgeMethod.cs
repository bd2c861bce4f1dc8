namespace OnnxAttribution.Attribution;

/// <summary>How edges are found.</summary>
public enum EdgeMethod
{
    /// <summary>Jacobian at the clean run times the upstream node's change (Marks et al. 2024, arXiv:2403.19647, appendix A.1).</summary>
    Jacobian,

    /// <summary>Every kept node is really moved, and the change of every node downstream read, along paths that meet no other selected
    /// site; the Jacobian is found too.</summary>
    Exact,
}
