namespace OnnxAttribution.Attribution;

/// <summary>Which features cause which, while one token is predicted.</summary>
public sealed record CausalGraph
{
    /// <summary>The scalar that the graph explains.</summary>
    public required Metric Metric { get; init; }

    /// <summary>Its value in the clean run, in the metric's unit (<see cref="MetricKind"/>: logits, nats or a probability).</summary>
    public required float CleanMetric { get; init; }

    /// <summary>The metric of the patch run, in the metric's unit; without one, NaN (zero ablation moves one node at a time, so there is
    /// no such run).</summary>
    public required float PatchMetric { get; init; }

    /// <summary>Next-token probabilities of the clean run at the metric's position, largest first.</summary>
    public required IReadOnlyList<(int Token, float Probability)> TopTokens { get; init; }

    /// <summary>Probabilities of the metric's target and foil in the clean run at its position, from 0 to 1, no unit; NaN where it has
    /// none.</summary>
    public (float Target, float Foil) Probabilities { get; init; } = (float.NaN, float.NaN);

    /// <summary>Site by site in the order of computation, positions and features ascending, the error node last; behind all of a site the
    /// errors that have no node of their own (<see cref="CausalNode.IsLump"/>).</summary>
    public required IReadOnlyList<CausalNode> Nodes { get; init; }

    /// <summary>Kept edges; their ends are indices in <see cref="Nodes"/>.</summary>
    public required IReadOnlyList<CausalEdge> Edges { get; init; }

    /// <summary>What kept nodes do by way of features that switch on, by upstream node and downstream site; empty unless the edges are
    /// exact.</summary>
    public IReadOnlyList<SwitchedOnEdge> SwitchedOn { get; init; } = [];

    /// <summary>Largest |IE(u) − Σ effect(u→d)| over the largest |IE|, no unit: what rounding leaves, and where nodes were really moved
    /// (<see cref="GraphOptions.Refine"/>) what linear edges leave of their effects.
    /// Null unless every node was kept, the effects are attribution patching's and the edges are of the Jacobian.</summary>
    public required double? ConservationViolation { get; init; }

    /// <summary>What of each edge passes which attention head, in the order of edges and the strongest first; empty unless it was asked
    /// for (<see cref="GraphOptions.Heads"/>). The parts of an edge add up to what the Jacobian says of it.</summary>
    public IReadOnlyList<HeadPart> HeadParts { get; init; } = [];

    /// <summary>Largest |effect − Σ parts| of an edge over the largest |effect|, effects as the Jacobian says, no unit: what rounding
    /// leaves. Null unless every edge was split.</summary>
    public double? HeadsViolation { get; init; }

    /// <summary>Output tokens, the likeliest first; empty unless they were asked for (<see cref="GraphOptions.Targets"/>).</summary>
    public IReadOnlyList<OutputNode> Outputs { get; init; } = [];

    /// <summary>Edges of kept nodes into the outputs.</summary>
    public IReadOnlyList<OutputEdge> OutputEdges { get; init; } = [];

    /// <summary>Of the influence that reaches tokens and errors, the tokens' share (circuit-tracer's replacement score), before pruning;
    /// null without outputs.</summary>
    public double? ReplacementScore { get; init; }

    /// <summary>Of the inputs of all nodes, weighted with their influence, the share that is no error, no unit (circuit-tracer's
    /// completeness score), before pruning; null without outputs.</summary>
    public double? CompletenessScore { get; init; }

    /// <summary>Seconds by stage.</summary>
    public required IReadOnlyDictionary<string, double> Timings { get; init; }

    /// <summary>How many calls of ONNX Runtime were made for this graph.</summary>
    public required int RuntimeCalls { get; init; }

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public required long Operations { get; init; }

    /// <summary>How many nodes were really moved and run some blocks deep, and how many all the way.</summary>
    public int MovedNodes { get; init; }

    /// <inheritdoc cref="MovedNodes"/>
    public int ExactNodes { get; init; }

    /// <summary>What moving the prompt's nodes has shown, position by position where the graph is summed too.</summary>
    internal MeasuredNodes Measured { get; init; } = MeasuredNodes.None;

    /// <summary>What node effects took, in forward passes: floating-point operations of their matrix products over those of one forward
    /// pass, dictionaries apart. Attribution patching takes two, one there and one back.</summary>
    public double EffectPasses { get; init; }

    /// <summary>Σ over features |effect| / Σ over all nodes |effect|, over the whole graph or one site:
    /// a share from 0 to 1, no unit; NaN where nothing has an effect.</summary>
    /// <param name="site">Hook name of a selected site; null: all of them but the tokens, which no dictionary is to explain.
    /// NaN for a name that no node has.</param>
    public double ExplainedByFeatures(string? site = null)
    {
        double features = 0, all = 0;
        foreach (var n in Nodes)
        {
            if ((site is not null && n.Site.Name != site) || n.IsToken) continue;
            all += Math.Abs(n.Effect);
            if (!n.IsError) features += Math.Abs(n.Effect);
        }
        return features / all;
    }
}
