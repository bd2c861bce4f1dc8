namespace OnnxAttribution.Attribution;

/// <summary>Which model nodes and edges are really moved in.</summary>
internal enum MovedModel
{
    /// <summary>The model as it is: everything after a moved node is computed by its own parts.</summary>
    Real,

    /// <summary>The local replacement model of the prompt: transcoders in the place of MLPs, their features encoded again, errors held.
    /// </summary>
    Replacement,
}
