namespace OnnxAttribution.Store;

/// <summary>Faithfulness and completeness of a run's strongest nodes, size by size: means over the prompts.</summary>
public sealed record FaithfulnessRecord
{
    /// <summary>The metric, by its name.</summary>
    public string? Metric { get; init; }

    /// <summary>How many prompts the means are over.</summary>
    public int? Prompts { get; init; }

    /// <summary>Random circuits of each size.</summary>
    public int? Controls { get; init; }

    /// <summary>Their seed.</summary>
    public int? Seed { get; init; }

    /// <summary>The text of mean ablation; null without.</summary>
    public string? MeanText { get; init; }

    /// <summary>Tokens that the means are over; null without.</summary>
    public int? MeanPositions { get; init; }

    /// <summary>Curves of prompts whose ratios mean nothing, since ablating every node does not change the metric.</summary>
    public int? Undefined { get; init; }

    /// <summary>Ablation by ablation, rule by rule, sizes ascending.</summary>
    public IReadOnlyList<FaithfulnessMeanRecord>? Curves { get; init; }
}

/// <summary>One size on a curve. A figure that no prompt has is null.</summary>
/// <param name="Ablation">What stands in place of ablated nodes: <c>zero</c>, <c>mean</c> or <c>patch</c>.</param>
/// <param name="Errors">What happens to error nodes: <c>keep</c>, <c>remove</c> or <c>nodes</c>.</param>
/// <param name="Nodes">Nodes kept.</param>
/// <param name="Of">All nodes that there are.</param>
/// <param name="Faithfulness">(circuit − empty) / (full − empty).</param>
/// <param name="Completeness">(complement − empty) / (full − empty).</param>
/// <param name="RandomFaithfulness">The same of random circuits of that size: their mean.</param>
/// <param name="RandomFaithfulnessSpread">And their standard deviation.</param>
/// <param name="RandomCompleteness">The mean over random circuits.</param>
/// <param name="RandomCompletenessSpread">And their standard deviation.</param>
public sealed record FaithfulnessMeanRecord(string? Ablation, string? Errors, int? Nodes, int? Of, double? Faithfulness,
    double? Completeness, double? RandomFaithfulness, double? RandomFaithfulnessSpread, double? RandomCompleteness,
    double? RandomCompletenessSpread);
