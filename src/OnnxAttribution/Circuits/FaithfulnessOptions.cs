using OnnxAttribution.Attribution;

namespace OnnxAttribution.Circuits;

/// <summary>Which faithfulness curves are computed.</summary>
/// <param name="Errors">null: all three rules.</param>
/// <param name="Points">Circuit sizes on a curve, from 0 to all nodes.</param>
/// <param name="Controls">Random circuits of each size.</param>
public sealed record FaithfulnessOptions(
    IReadOnlyList<ErrorRule>? Errors = null, int Points = 12, int Controls = 10, int Seed = 0, MetricRequest Metric = default);
