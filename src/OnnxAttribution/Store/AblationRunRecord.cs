using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>run.json of <c>ablate</c>, which really ablates one feature after the other in one prompt.</summary>
public sealed record AblationRunRecord : PromptRunRecord
{
    /// <summary>The value of <see cref="Kind"/>.</summary>
    internal const string KindName = "ablation";

    /// <summary>Always <c>ablation</c>: what tells these runs from those of <c>graph</c>.</summary>
    [JsonPropertyOrder(1)]
    public string Kind => KindName;

    /// <summary>What an edge's effect is, in words.</summary>
    [JsonPropertyOrder(200)]
    public string? EffectIs { get; init; }

    /// <summary>What a node's effect is, in words.</summary>
    [JsonPropertyOrder(201)]
    public string? NodeEffectIs { get; init; }

    /// <summary>What was asked.</summary>
    [JsonPropertyOrder(203)]
    public AblationOptionsRecord? Options { get; init; }

    /// <summary>How many features, or features at a position, were ablated.</summary>
    [JsonPropertyOrder(212)]
    public int? AblatedNodes { get; init; }

    /// <summary>How many edges had an effect other than 0, before any was left out.</summary>
    [JsonPropertyOrder(214)]
    public long? EdgesSeen { get; init; }

    /// <summary>Chains of edges, the strongest first.</summary>
    [JsonPropertyOrder(215)]
    public IReadOnlyList<ChainRecord>? Chains { get; init; }

    internal override OptionsRecord? Asked => Options;

    internal override int SignOfClean => Options?.Coefficient > 1 ? 1 : -1;
}

/// <summary>The options of <c>ablate</c>.</summary>
public sealed record AblationOptionsRecord : OptionsRecord
{
    /// <summary>What activations were multiplied by, no unit; 0 takes them away.</summary>
    public float? Coefficient { get; init; }

    /// <summary>Where a feature was ablated: <c>all</c>, <c>last</c> or <c>each</c>.</summary>
    public string? Positions { get; init; }

    /// <summary>Where downstream features were read: <c>all</c> or <c>last</c>.</summary>
    public string? Measure { get; init; }

    /// <summary>Most edges kept per pair of sites; null: no limit.</summary>
    public int? TopEdges { get; init; }

    /// <summary>Least |effect| of a kept edge, in activation units of the downstream dictionary.</summary>
    public float? Threshold { get; init; }

    /// <summary>Edges that a path had to have for its edges to stay.</summary>
    public int? MinPath { get; init; }

    /// <summary>Whether the metric and the next token were read after each ablation.</summary>
    public bool? Logits { get; init; }
}

/// <summary>A chain of edges, from upstream to downstream.</summary>
/// <param name="Nodes">From upstream to downstream, one more than effects.</param>
/// <param name="Effects">[nodes − 1]: the i-th is the effect of the i-th node on the next, in activation units.</param>
public sealed record ChainRecord(IReadOnlyList<NodeRecord>? Nodes, IReadOnlyList<float?>? Effects);
