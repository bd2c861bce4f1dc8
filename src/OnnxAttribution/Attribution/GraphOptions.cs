using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>How node effects are found.</summary>
public enum EffectMethod
{
    /// <summary>Attribution patching: the gradient at the clean run times the change (Nanda 2023; Syed et al. 2023,
    /// arXiv:2310.10348).</summary>
    Atp,

    /// <summary>Integrated gradients over node values, each site alone (Marks et al. 2024, arXiv:2403.19647, equation 3).</summary>
    Ig,

    /// <summary>Every node really patched, one at a time.</summary>
    Exact,

    /// <summary>AtP*: attribution patching with the attention pattern really computed again for what moves queries and keys, and the mean
    /// over backward passes that drop one block's gradient each (Kramár et al. 2024, arXiv:2403.00745).</summary>
    Atpstar,
}

/// <summary>How much influence on the outputs stays when a graph of transcoders is pruned.</summary>
/// <param name="Nodes">Nodes' share, from 0 to 1, no unit.</param>
/// <param name="Edges">Edges' share, from 0 to 1, no unit.</param>
public sealed record InfluencePruning(double Nodes = 0.8, double Edges = 0.98);

/// <summary>What a graph of causes is asked for.</summary>
/// <param name="Metric">The scalar to explain; what is left open is taken from the clean run.</param>
/// <param name="Method">How node effects are found.</param>
/// <param name="Steps">How many steps of <see cref="EffectMethod.Ig"/>.</param>
/// <param name="TopNodes">How many features are kept per site, by |effect|; error nodes come on top. Null: no such limit.</param>
/// <param name="NodeThreshold">Least |effect| of a kept node, in the metric's unit.</param>
/// <param name="TopEdges">How many edges are kept in all, by |effect|. Null: no such limit.</param>
/// <param name="EdgeThreshold">Least |effect| of a kept edge, in the metric's unit.</param>
/// <param name="Prune">Keep only what lies on a path to the metric.</param>
/// <param name="Estimator">Which derivatives gradients and edges are made of; exact effects need none, their edges do.</param>
/// <param name="Edges">How edges are found, whatever the method of node effects.</param>
public sealed record GraphOptions(
    MetricRequest Metric = default, EffectMethod Method = EffectMethod.Atp, int Steps = 10, int? TopNodes = 20, float NodeThreshold = 0,
    int? TopEdges = 1000, float EdgeThreshold = 0, bool Prune = true, Estimator Estimator = Estimator.Gradient,
    EdgeMethod Edges = EdgeMethod.Jacobian)
{
    /// <summary>N of <see cref="Refine"/> where it is left to the method.</summary>
    /// <remarks>Over 72 prompts (docs/results/validation.md) it makes the strongest nodes' effects right, at less than the price of
    /// the Jacobian.</remarks>
    public const int DefaultRefine = 32;

    /// <summary>What <see cref="TopErrors"/> is by default: no prompt of fewer tokens has more errors at a site.</summary>
    /// <remarks>Counted at GPT-2-small's shape with 37 sites: of 256 positions all errors would be 9,472 nodes beside 2,368 features.
    /// </remarks>
    public const int DefaultTopErrors = 64;

    /// <summary>How many error nodes a site has, by |effect|; the others of the site are one row at <see cref="TokenPosition.All"/>, whose
    /// effect and edges are the sums of theirs. Null: each error is a node of its own. With <see cref="Heads"/> or
    /// <see cref="Targets"/> each is, since sums have neither heads nor an influence.</summary>
    public int? TopErrors { get; init; } = DefaultTopErrors;

    /// <summary><see cref="TopErrors"/> where errors are lumped at all; null: they are not.</summary>
    internal int? LumpedBeyond => Heads is null && Targets is null ? TopErrors : null;

    /// <summary>How many blocks behind a node are really run before the linear step is taken, for every node; where that reaches the
    /// end, the effect is exact. 0, or null: none, the step is taken at the node.</summary>
    public int? ExactDepth { get; init; }

    /// <summary>N: how many of the strongest nodes are really patched, at most, and eight times as many run one block deep; 0: none.
    /// Null: <see cref="DefaultRefine"/>, as the command has it, where nothing else was chosen; none with a
    /// <see cref="Method"/> that is not <see cref="EffectMethod.Atp"/>, an <see cref="Estimator"/> that is not
    /// <see cref="Estimator.Gradient"/>, or an <see cref="ExactDepth"/>: who chooses how effects are estimated gets them as estimated.
    /// Not together with <see cref="EffectMethod.Exact"/> or a depth from 1, which leave nothing to refine.</summary>
    public int? Refine { get; init; }

    /// <summary><see cref="Refine"/>, or what null stands for.</summary>
    internal int RefinedNodes => Refine
        ?? (this is { Method: EffectMethod.Atp, Estimator: Estimator.Gradient, ExactDepth: null } ? DefaultRefine : 0);

    /// <summary>Logits that are outputs of a graph of transcoders, each with its own edges; null: the metric is the only end.</summary>
    public TargetRequest? Targets { get; init; }

    /// <summary>Prune by influence on the outputs, as circuit-tracer does, in place of <see cref="Prune"/>; null: not.</summary>
    public InfluencePruning? Influence { get; init; }

    /// <summary>Split edges by attention heads; null: they are not.</summary>
    public HeadRequest? Heads { get; init; }

    /// <summary>The same options without limits: every node and every edge is kept.</summary>
    public GraphOptions KeepingAll() => this with
    {
        TopNodes = null,
        NodeThreshold = 0,
        TopErrors = null,
        TopEdges = null,
        EdgeThreshold = 0,
        Prune = false,
    };
}
