namespace OnnxAttribution.View;

/// <summary>Nodes that might be read as one.</summary>
/// <param name="By">What they are alike in: <see cref="SuggestedGroups.Decoder"/> or <see cref="SuggestedGroups.Edges"/>.</param>
/// <param name="Nodes">Indices of <see cref="RunPicture.Nodes"/>, ascending; at least two.</param>
/// <param name="Least">The least cosine of two of them.</param>
internal sealed record SuggestedGroup(string By, IReadOnlyList<int> Nodes, double Least);

/// <summary>Groups that a picture's features may be put in, those with the largest sum of |effect| first: proposals, no more.</summary>
/// <param name="Note">Why decoder rows were not compared; null: they were.</param>
internal sealed record SuggestedGroups(IReadOnlyList<SuggestedGroup> Groups, string? Note)
{
    /// <summary>Alike in their decoder rows, or in their edges.</summary>
    public const string Decoder = "decoder", Edges = "edges";

    /// <summary>As many of the strongest features are compared at most.</summary>
    public const int Most = 200;

    /// <summary>Every two of a group have at least this cosine.</summary>
    public const double LeastDecoder = 0.5, LeastEdges = 0.7;
}
