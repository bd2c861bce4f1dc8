namespace OnnxAttribution.Attribution;

/// <summary>Memory that a graph takes, by what it is for.</summary>
/// <param name="Name">What it is for.</param>
/// <param name="Bytes">How much, in bytes.</param>
/// <param name="IsMapped">Whether it is of files, whose pages the system takes back where it needs them.</param>
public sealed record PlannedMemory(string Name, long Bytes, bool IsMapped = false);

/// <summary>What a selected site's nodes and edges are expected to be.</summary>
/// <param name="Site">Hook name.</param>
/// <param name="ActivePerPosition">How many features are active at a position, on average.</param>
/// <param name="Source">What tells how many are active.</param>
/// <param name="Nodes">How many nodes there are, errors among them.</param>
/// <param name="Cotangents">How many nodes edges lead into: rows that are pulled back.</param>
/// <param name="Tangents">How many nodes edges lead from: vectors that are pushed forward.</param>
public sealed record PlannedSite(string Site, double ActivePerPosition, FeatureSource Source, long Nodes, int Cotangents, int Tangents);

/// <summary>What a stage of a graph takes.</summary>
/// <param name="Name">As run.json's <c>timings</c> has it.</param>
/// <param name="Operations">Floating-point operations of the matrix products.</param>
/// <param name="Bytes">Bytes of weights that are read.</param>
internal sealed record StageCost(string Name, long Operations, long Bytes);

/// <summary>What one prompt's graph takes, counted from shapes.</summary>
/// <param name="Sites">One for each selected site.</param>
/// <param name="Pairs">Edges that there can be, before any is chosen.</param>
internal sealed record PromptCost(int Tokens, IReadOnlyList<PlannedSite> Sites, IReadOnlyList<StageCost> Stages, long Pairs)
{
    /// <summary>All of it.</summary>
    public required IReadOnlyList<PlannedMemory> Memory { get; init; }

    /// <summary>Memory in the smallest pieces that it can be done in, without mapped files; the largest part first.</summary>
    public required IReadOnlyList<PlannedMemory> Least { get; init; }

    /// <summary>Bytes of weights that sessions lay out or turn, once.</summary>
    public required long LaidOutBytes { get; init; }

    /// <summary>Floating-point operations of a pass that it shares with others of its length; those of its own are its first stage's.
    /// </summary>
    public required long SharedPassOperations { get; init; }

    /// <summary>What it holds beside weights.</summary>
    public required PromptMemory Held { get; init; }

    /// <summary>There is a patch prompt.</summary>
    public required bool HasPatch { get; init; }

    /// <summary>Sessions that are made, once.</summary>
    public required int Sessions { get; init; }

    /// <summary>Floating-point operations that <see cref="CausalGraph.Operations"/> will say.</summary>
    public long Operations => Stages.Sum(s => s.Operations);

    /// <summary>Edges that are written at most.</summary>
    public required long Edges { get; init; }
}

/// <summary>What a prompt's graph holds beside weights, in bytes.</summary>
/// <param name="Pass">Of a pass, while it is run.</param>
/// <param name="SharedPass">The same of each prompt of a pass that several share.</param>
/// <param name="Activations">Sites and their gradients.</param>
/// <param name="Nodes">Nodes as objects.</param>
/// <param name="Edges">Of runs of edges.</param>
/// <param name="Found">Edges before any is chosen.</param>
internal readonly record struct PromptMemory(long Pass, long SharedPass, long Activations, long Nodes, long Edges, long Found);
