using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>run.json of <c>graph</c>, of one prompt.</summary>
public sealed record GraphRunRecord : PromptRunRecord
{
    /// <summary>What was asked.</summary>
    [JsonPropertyOrder(203)]
    public GraphOptionsRecord? Options { get; init; }

    /// <summary>How many nodes were really moved and run some blocks deep; absent where none was.</summary>
    [JsonPropertyOrder(218), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MovedNodes { get; init; }

    /// <summary>How many nodes were really patched and run all the way, so that their effects are exact; absent where none was.</summary>
    [JsonPropertyOrder(219), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ExactNodes { get; init; }

    /// <summary>What node effects took, in forward passes: operations of their matrix products over those of one forward pass,
    /// no unit, dictionaries apart; null in runs of earlier versions.</summary>
    [JsonPropertyOrder(217)]
    public double? EffectPasses { get; init; }

    /// <summary>Share of Σ |effect| over all nodes that features carry; error nodes carry the rest. From 0 to 1, no unit.</summary>
    [JsonPropertyOrder(220)]
    public double? ExplainedByFeatures { get; init; }

    /// <summary>The same share, no unit, by the sites' hook names.</summary>
    [JsonPropertyOrder(221)]
    public IReadOnlyDictionary<string, double?>? ExplainedBySite { get; init; }

    /// <summary>Largest |effect − Σ effects of its edges| of a node over the largest |effect|, no unit; null unless every node was
    /// kept. Rounding's, where effects are linear; of nodes that were really moved, what linear edges leave of them.</summary>
    [JsonPropertyOrder(222)]
    public double? ConservationViolation { get; init; }

    /// <summary>Largest |effect − Σ parts| of an edge over the largest |effect|, no unit; absent unless every edge was split by
    /// heads.</summary>
    [JsonPropertyOrder(223), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? HeadsViolation { get; init; }

    /// <summary>Output tokens of a graph of transcoders, the likeliest first; absent where they were not asked for.</summary>
    [JsonPropertyOrder(224), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<OutputRecord>? Outputs { get; init; }

    /// <summary>Of the influence on the outputs that reaches tokens and errors, the tokens' share, from 0 to 1, before pruning
    /// (circuit-tracer's replacement score); absent without outputs.</summary>
    [JsonPropertyOrder(225), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? ReplacementScore { get; init; }

    /// <summary>Of the inputs of all nodes, weighted with their influence on the outputs, the share that is no error, from 0 to 1,
    /// no unit, before pruning (circuit-tracer's completeness score); absent without outputs.</summary>
    [JsonPropertyOrder(226), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? CompletenessScore { get; init; }

    internal override OptionsRecord? Asked => Options;
}

/// <summary>An output token of a graph of transcoders.</summary>
/// <param name="Id">Token id.</param>
/// <param name="Token">Its text.</param>
/// <param name="Probability">Its probability in the clean run, at the metric's position.</param>
/// <param name="Logit">Its logit less the mean over the vocabulary.</param>
public sealed record OutputRecord(int? Id, string? Token, float? Probability, float? Logit);

/// <summary>run.json of the mean over the prompts of a batch or a dataset, summed over positions. Of a dataset nothing in it tells one
/// execution from the next: times, memory and calls are null.</summary>
public sealed record MergedRunRecord : RunRecord
{
    /// <summary>Always true: the run is the mean of others.</summary>
    [JsonPropertyOrder(1)]
    public bool Merged => true;

    /// <summary>How many prompts the mean is over.</summary>
    [JsonPropertyOrder(2)]
    public int? Prompts { get; init; }

    /// <summary>Their ids, which are the names of their run directories; null of a dataset's mean, whose prompts are rows.</summary>
    [JsonPropertyOrder(3)]
    public IReadOnlyList<string>? Ids { get; init; }

    /// <inheritdoc cref="GraphRunRecord.Options"/>
    [JsonPropertyOrder(203)]
    public GraphOptionsRecord? Options { get; init; }

    /// <inheritdoc cref="GraphRunRecord.ExplainedByFeatures"/>
    [JsonPropertyOrder(220)]
    public double? ExplainedByFeatures { get; init; }

    /// <inheritdoc cref="GraphRunRecord.ExplainedBySite"/>
    [JsonPropertyOrder(221)]
    public IReadOnlyDictionary<string, double?>? ExplainedBySite { get; init; }

    internal override OptionsRecord? Asked => Options;
}

/// <summary>The options of <c>graph</c>.</summary>
public sealed record GraphOptionsRecord : OptionsRecord
{
    /// <summary>How effects were estimated: <c>atp</c> (attribution patching), <c>ig</c> (integrated gradients), <c>exact</c> or
    /// <c>atpstar</c> (AtP*).</summary>
    public string? Method { get; init; }

    /// <summary>The gradient rules: <c>gradient</c>, <c>relp</c>, <c>frozen</c> or <c>gim</c>.</summary>
    public string? Estimator { get; init; }

    /// <summary>How many steps <c>ig</c> took; null for other methods.</summary>
    public int? Steps { get; init; }

    /// <summary>How many blocks every node was run deep; null: none was.</summary>
    public int? ExactDepth { get; init; }

    /// <summary>Which logits were outputs: <c>top:10</c>, the likeliest until their probabilities add up to 0.95; null: none but the
    /// metric.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Targets { get; init; }

    /// <summary>Shares of influence on the outputs that pruning left to nodes and edges; null: it was not pruned by influence.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PruneInfluence { get; init; }

    /// <summary>What was replaced by transcoders: <c>mlp</c>; null: nothing, the graph is of the model itself.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Replace { get; init; }

    /// <summary>At so many positions from the first, transcoders had neither features nor errors; null where nothing is replaced.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ZeroPositions { get; init; }

    /// <summary>How many of the strongest nodes were to be really patched at most; null: none.</summary>
    public int? Refine { get; init; }

    /// <summary>How many features were kept per site at most; null: no limit.</summary>
    public int? TopNodes { get; init; }

    /// <summary>Least |effect| of a kept node, in the metric's unit.</summary>
    public float? NodeThreshold { get; init; }

    /// <summary>How many error nodes a site had at most, the others of the site being one row; absent where each was a node.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? TopErrors { get; init; }

    /// <summary>How many edges were kept in all at most; null: no limit.</summary>
    public int? TopEdges { get; init; }

    /// <summary>Least |effect| of a kept edge, in the metric's unit.</summary>
    public float? EdgeThreshold { get; init; }

    /// <summary>Whether nodes without a path to the metric were taken out.</summary>
    public bool? Prune { get; init; }

    /// <summary>How edges were found: <c>jacobian</c> or <c>exact</c>; null in runs of earlier versions, which means
    /// <c>jacobian</c>.</summary>
    public string? Edges { get; init; }

    /// <summary>Which heads edges are split by: <c>all</c>, or the one that all kept edges pass, such as <c>9.9</c>; absent where they are
    /// not.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Heads { get; init; }

    /// <summary>What tables and pictures show first: <c>contribution</c>, what a node's clean value does for the metric, or
    /// <c>ablation</c>, what moving the node away does; absent in runs of earlier versions.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Sign { get; init; }

    /// <summary><c>sum</c>: nodes and edges are summed over positions; <c>none</c>: they are not.</summary>
    public string? Aggregate { get; init; }
}
