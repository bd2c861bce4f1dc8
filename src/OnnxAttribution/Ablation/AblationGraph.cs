using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>One of the next tokens whose probability moved most when a node was ablated.</summary>
/// <param name="Node">Index of the ablated node in <see cref="AblationGraph.Nodes"/>.</param>
/// <param name="Rank">From 1, by |change| among those of the node that moved the same way.</param>
/// <param name="Change">The token and its probabilities at the metric's position; the change is never 0.</param>
internal readonly record struct NodeTokenChange(int Node, int Rank, TokenChange Change)
{
    /// <summary>Whether the probability rose.</summary>
    public bool IsUp => Change.Change > 0;
}

/// <summary>What really happens when each active feature is ablated:
/// to the features of the next selected sites, to the metric, to the next token.</summary>
/// <remarks>Udell 2024.</remarks>
internal sealed record AblationGraph
{
    /// <summary>The metric with its tokens and position.</summary>
    public required Metric Metric { get; init; }
    /// <summary>Its value in the clean run.</summary>
    public required float CleanMetric { get; init; }

    /// <summary>Next-token probabilities of the clean run at the metric's position, largest first.</summary>
    public required IReadOnlyList<(int Token, float Probability)> TopTokens { get; init; }

    /// <inheritdoc cref="CausalGraph.Probabilities"/>
    public required (float Target, float Foil) Probabilities { get; init; }

    /// <summary>
    /// The ablated features, and the ends of edges that were not ablated themselves: site by site in the order of computation, positions
    /// and features ascending. <see cref="CausalNode.Effect"/> is the metric's change, exact; NaN for a node that was not ablated or where
    /// the metric was not asked for. <see cref="CausalNode.Activation"/> at position −1 is the sum over positions, as in a summed graph;
    /// <see cref="CausalNode.PatchActivation"/> is coefficient · activation.
    /// </summary>
    public required IReadOnlyList<CausalNode> Nodes { get; init; }

    /// <summary>Effect: the downstream activation after the ablation minus before;
    /// into the metric, the metric's change along paths that meet no other selected site. No jacobians.</summary>
    public required IReadOnlyList<CausalEdge> Edges { get; init; }

    /// <summary>Per ablated node, up to ten tokens up and ten down; empty where the metric was not asked for.</summary>
    public required IReadOnlyList<NodeTokenChange> Tokens { get; init; }

    /// <summary>Indices into <see cref="Edges"/>, from upstream to downstream, strongest chain first. Where features are
    /// ablated at all positions together, an edge into any position of a feature is followed by one from it, and of
    /// several between two features the strongest is named.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> Chains { get; init; }

    /// <summary>Edges a path had to have for its edges to stay.</summary>
    public required int MinPath { get; init; }

    /// <summary>Features (or feature and position) that were ablated.</summary>
    public required int Ablated { get; init; }

    /// <summary>Edges that are not 0, before any was left out.</summary>
    public required long EdgesSeen { get; init; }

    /// <summary>Seconds by stage.</summary>
    public required IReadOnlyDictionary<string, double> Timings { get; init; }

    /// <summary>Runtime calls made for this graph.</summary>
    public required int RuntimeCalls { get; init; }

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public required long Operations { get; init; }
}
