using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>How a run's effects agree with real interventions.</summary>
public sealed record ValidationRecord
{
    /// <summary>Name of the run's own estimator.</summary>
    public string? Estimator { get; init; }

    /// <summary>Which model nodes and edges were really moved in: <c>real</c>, or of a graph of transcoders <c>replacement</c>, the local
    /// replacement model of the prompt; null in runs of earlier versions, which means <c>real</c>.</summary>
    public string? Model { get; init; }

    /// <summary>Whether every node and edge was checked.</summary>
    public bool? All { get; init; }

    /// <summary>How many nodes were drawn, with five times as many edges; null where all were checked.</summary>
    public int? Sample { get; init; }

    /// <summary>Seed of the draw; null where all were checked.</summary>
    public int? Seed { get; init; }

    /// <summary>Agreement of node effects, in the metric's unit.</summary>
    public required AgreementRecord Nodes { get; init; }

    /// <summary>Agreement of edge effects, in the metric's unit.</summary>
    public required AgreementRecord Edges { get; init; }

    /// <summary>Agreement of changes of downstream features' activations, in activation units.</summary>
    public required AgreementRecord Changes { get; init; }

    /// <summary>Nodes by kind of site, features and errors apart.</summary>
    public required IReadOnlyList<KindAgreementRecord> ByKind { get; init; }

    /// <summary>Edges by pair of sites, in the order of computation.</summary>
    public IReadOnlyList<SitePairAgreementRecord>? BySitePair { get; init; }

    /// <summary>Nodes, then edges, by stratum of the sample.</summary>
    public required IReadOnlyList<StratumAgreementRecord> ByStratum { get; init; }

    /// <summary>The nodes whose estimates are farthest off, the farthest first.</summary>
    public IReadOnlyList<NodeCheckRecord>? WorstNodes { get; init; }

    /// <summary>The edges whose estimates are farthest off, the farthest first.</summary>
    public IReadOnlyList<EdgeCheckRecord>? WorstEdges { get; init; }

    /// <summary>Whether node effects add up to what moving whole sites does.</summary>
    public ConservationRecord? Conservation { get; init; }

    /// <summary>Every estimator that was asked for against the same exact effects, the run's own first; absent where none was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<EstimatorAgreementRecord>? Compared { get; init; }

    /// <summary>How soon each of these leads to the nodes that really are the strongest; absent where there is nothing to compare.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<CostRecallRecord>? CostRecall { get; init; }

    /// <summary>Of a graph of transcoders: the same nodes really moved in the model itself, whose MLPs are computed; absent of other
    /// graphs, whose nodes are moved there anyway.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RealModelRecord? InRealModel { get; init; }

    /// <summary>How many nodes only one of the run and its repetition has, those at their thresholds; absent where there are
    /// none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? UnmatchedNodes { get; init; }

    /// <summary>How many calls of ONNX Runtime the checks took.</summary>
    public int? RuntimeCalls { get; init; }

    /// <summary>Seconds that the checks took.</summary>
    public double? Seconds { get; init; }
}

/// <summary>How the effects of a graph of transcoders agree with the same moves in the model itself: a feature's change times what it
/// writes is added to the outputs of the MLPs, and everything behind is computed by the model. Edges are of the replacement model
/// alone.</summary>
public sealed record RealModelRecord
{
    /// <summary>Agreement of node effects, in the metric's unit.</summary>
    public required AgreementRecord Nodes { get; init; }

    /// <summary>Nodes by kind of site, features and errors apart.</summary>
    public required IReadOnlyList<KindAgreementRecord> ByKind { get; init; }

    /// <summary>Nodes by stratum of the sample.</summary>
    public required IReadOnlyList<StratumAgreementRecord> ByStratum { get; init; }

    /// <summary>The nodes whose estimates are farthest off, the farthest first.</summary>
    public required IReadOnlyList<NodeCheckRecord> WorstNodes { get; init; }

    /// <summary>Whether node effects add up to what moving whole sites does.</summary>
    public required ConservationRecord Conservation { get; init; }

    /// <summary>Every estimator that was asked for, the run's own first; absent where none was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<EstimatorNodesRecord>? Compared { get; init; }

    /// <summary>How soon each of these leads to the nodes that really are the strongest there; absent where there is nothing to
    /// compare.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<CostRecallRecord>? CostRecall { get; init; }
}

/// <summary>Agreement of one estimator's node effects.</summary>
/// <param name="Estimator">The estimator's name.</param>
/// <param name="Nodes">Agreement of node effects.</param>
public sealed record EstimatorNodesRecord(string Estimator, AgreementRecord Nodes);

/// <summary>How well approximate values agree with exact ones, pair by pair. A figure that is not defined is null.</summary>
public record AgreementRecord
{
    /// <summary>How many pairs were compared.</summary>
    [JsonPropertyOrder(10)]
    public required int Count { get; init; }

    /// <summary>Linear correlation, from −1 to 1, no unit.</summary>
    [JsonPropertyOrder(11)]
    public double? Pearson { get; init; }

    /// <summary>Correlation of the ranks, from −1 to 1, no unit.</summary>
    [JsonPropertyOrder(12)]
    public double? Spearman { get; init; }

    /// <summary>Share of the pairs whose signs are equal, of those whose exact value is not 0. From 0 to 1, no unit.</summary>
    [JsonPropertyOrder(13)]
    public double? SignAgreement { get; init; }

    /// <summary>Exact over approximate, with least squares through the origin, no unit: above 1 the approximation falls short.</summary>
    [JsonPropertyOrder(14)]
    public double? Slope { get; init; }

    /// <summary>Median of |approximate − exact| / |exact|, no unit.</summary>
    [JsonPropertyOrder(15)]
    public double? MedianRelativeError { get; init; }

    /// <summary>How many of the largest magnitudes <see cref="TopRecall"/> looks at: a tenth of the pairs.</summary>
    [JsonPropertyOrder(16)]
    public required int Top { get; init; }

    /// <summary>Share of the largest exact magnitudes that are among as many largest approximate ones. From 0 to 1, no unit.</summary>
    [JsonPropertyOrder(17)]
    public double? TopRecall { get; init; }
}

/// <summary>Agreement of the nodes of one kind of site.</summary>
public sealed record KindAgreementRecord : AgreementRecord
{
    /// <summary>Kind of the site: <c>resid</c>, <c>attn</c>, <c>mlp</c>, <c>resid_mid</c>, <c>z</c> or, of tokens, <c>embed</c>.</summary>
    [JsonPropertyOrder(1)]
    public required string Kind { get; init; }

    /// <summary>Whether these are the error nodes, or tokens; else the features.</summary>
    [JsonPropertyOrder(2)]
    public required bool Error { get; init; }
}

/// <summary>Agreement of the edges between two sites.</summary>
public sealed record SitePairAgreementRecord : AgreementRecord
{
    /// <summary>Hook name of the upstream site.</summary>
    [JsonPropertyOrder(1)]
    public required string UpSite { get; init; }

    /// <summary>Hook name of the downstream site, or <c>metric</c>.</summary>
    [JsonPropertyOrder(2)]
    public required string DownSite { get; init; }

    /// <summary>Linear correlation of the changes of downstream activations, from −1 to 1, no unit.</summary>
    [JsonPropertyOrder(3)]
    public double? ChangesPearson { get; init; }
}

/// <summary>Agreement of one stratum of the sample.</summary>
public sealed record StratumAgreementRecord : AgreementRecord
{
    /// <summary><c>node</c> or <c>edge</c>.</summary>
    [JsonPropertyOrder(1)]
    public required string Check { get; init; }

    /// <summary><c>strongest</c>, <c>kept</c>, <c>dropped</c> or <c>all</c>.</summary>
    [JsonPropertyOrder(2)]
    public required string Stratum { get; init; }
}

/// <summary>Agreement of one estimator.</summary>
public sealed record EstimatorAgreementRecord
{
    /// <summary>The estimator's name.</summary>
    public required string Estimator { get; init; }

    /// <summary>Agreement of node effects.</summary>
    public required AgreementRecord Nodes { get; init; }

    /// <summary>Agreement of edge effects.</summary>
    public required AgreementRecord Edges { get; init; }

    /// <summary>Agreement of changes of downstream features' activations.</summary>
    public required AgreementRecord Changes { get; init; }
}

/// <summary>How soon an estimate leads to the nodes that really are the strongest, where nodes are patched in the order of its
/// magnitudes.</summary>
/// <param name="Estimator">The estimator's name.</param>
/// <param name="Passes">What estimating all nodes took, in forward passes (operations of its matrix products over those of one forward
/// pass, no unit, dictionaries apart); null where that is not known. Every patched node takes at most one more.</param>
/// <param name="Top">How many of the strongest checked nodes are looked for.</param>
/// <param name="Ranks">Ascending, one for each of them: how many nodes are patched until so many are found.</param>
public sealed record CostRecallRecord(string Estimator, double? Passes, int Top, IReadOnlyList<int> Ranks)
{
    /// <summary>Share of the strongest that are found once so many nodes are patched, from 0 to 1, no unit; NaN where there are
    /// none.</summary>
    /// <param name="patched">How many nodes.</param>
    public double FoundAfter(int patched) => (double)Ranks.Count(r => r <= patched) / Ranks.Count;

    /// <summary>How many nodes are patched until such a share of the strongest is found; null where there are none.</summary>
    /// <param name="share">From 0 to 1, no unit.</param>
    public int? PatchedFor(double share) => Ranks.Count == 0 ? null : Ranks[Math.Max(0, (int)Math.Ceiling(share * Ranks.Count) - 1)];
}

/// <summary>A node's effect, estimated and exact.</summary>
/// <param name="Up">The node.</param>
/// <param name="ApproxEffect">The estimated change of the metric, in the metric's unit.</param>
/// <param name="ExactEffect">The change that was measured, in the metric's unit.</param>
/// <param name="Stratum">The stratum that it was drawn from.</param>
public sealed record NodeCheckRecord(NodeRecord Up, double? ApproxEffect, double? ExactEffect, string? Stratum);

/// <summary>An edge's effect, estimated and exact.</summary>
/// <param name="Up">The upstream node.</param>
/// <param name="Down">The downstream node; the text <c>metric</c> for an edge into the metric.</param>
/// <param name="ApproxChange">The estimated change of the downstream activation, in activation units of its dictionary.</param>
/// <param name="ExactChange">The change that was measured, in activation units of its dictionary.</param>
/// <param name="ApproxEffect">The estimated change of the metric, in the metric's unit.</param>
/// <param name="ExactEffect">The exact change times the run's own gradient at the downstream node, in the metric's unit.</param>
/// <param name="Stratum">The stratum that it was drawn from.</param>
public sealed record EdgeCheckRecord(NodeRecord Up, [property: JsonConverter(typeof(NodeOrMetric))] NodeRecord Down, double? ApproxChange,
    double? ExactChange, double? ApproxEffect, double? ExactEffect, string? Stratum);

/// <summary>Sums of node effects beside what moving whole sites does.</summary>
/// <param name="PatchMinusClean">The patch run's metric minus the clean run's, in the metric's unit; null without a patch run.</param>
/// <param name="Sites">Site by site, in the order of computation.</param>
public sealed record ConservationRecord(double? PatchMinusClean, IReadOnlyList<SiteConservationRecord> Sites);

/// <summary>One site's sum of node effects beside what moving all of it does.</summary>
/// <param name="Site">Hook name.</param>
/// <param name="SumOfEffects">Σ of the effects of its nodes, features and errors, in the metric's unit.</param>
/// <param name="Exact">The metric's change when the whole site is moved at once, in the metric's unit.</param>
/// <param name="ErrorShare">Share of Σ |effect| that its error nodes carry. From 0 to 1, no unit.</param>
public sealed record SiteConservationRecord(string Site, double? SumOfEffects, double? Exact, double? ErrorShare);
