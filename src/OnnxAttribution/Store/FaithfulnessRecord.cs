namespace OnnxAttribution.Store;

/// <summary>Faithfulness and completeness of a run's strongest nodes, size by size: means over the prompts.</summary>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 3.</remarks>
public sealed record FaithfulnessRecord
{
    /// <summary>The metric, by its name.</summary>
    public string? Metric { get; init; }

    /// <summary>How many prompts the means are over.</summary>
    public int? Prompts { get; init; }

    /// <summary>How many random circuits there are of each size.</summary>
    public int? Controls { get; init; }

    /// <summary>The seed of the random circuits.</summary>
    public int? Seed { get; init; }

    /// <summary>The text of mean ablation; null without.</summary>
    public string? MeanText { get; init; }

    /// <summary>How many tokens the means are over; null without.</summary>
    public int? MeanPositions { get; init; }

    /// <summary>How many curves of prompts have ratios that mean nothing, since ablating every node does not change the metric.</summary>
    public int? Undefined { get; init; }

    /// <summary>Ablation by ablation, rule by rule, sizes ascending.</summary>
    public IReadOnlyList<FaithfulnessMeanRecord>? Curves { get; init; }
}

/// <summary>One size on a curve. A figure that no prompt has is null.</summary>
/// <param name="Ablation">What stands in place of ablated nodes: <c>zero</c>, <c>mean</c> or <c>patch</c>.</param>
/// <param name="Errors">What happens to error nodes: <c>keep</c>, <c>remove</c> or <c>nodes</c>.</param>
/// <param name="Nodes">How many nodes are kept.</param>
/// <param name="Of">How many nodes there are.</param>
/// <param name="Faithfulness">(circuit − empty) / (full − empty), of metrics: no unit, 1 is the whole model.</param>
/// <param name="Completeness">(complement − empty) / (full − empty), of metrics: no unit.</param>
/// <param name="RandomFaithfulness">Mean faithfulness of random circuits of that size, no unit.</param>
/// <param name="RandomFaithfulnessSpread">Its standard deviation over random circuits, no unit.</param>
/// <param name="RandomCompleteness">Mean completeness of random circuits of that size, no unit.</param>
/// <param name="RandomCompletenessSpread">Its standard deviation over random circuits, no unit.</param>
public sealed record FaithfulnessMeanRecord(string? Ablation, string? Errors, int? Nodes, int? Of, double? Faithfulness,
    double? Completeness, double? RandomFaithfulness, double? RandomFaithfulnessSpread, double? RandomCompleteness,
    double? RandomCompletenessSpread);
