using OnnxAttribution.Attribution;

namespace OnnxAttribution.Circuits;

/// <summary>Which faithfulness curves are computed.</summary>
/// <param name="Errors">null: all three rules.</param>
/// <param name="Points">Circuit sizes on a curve, from 0 to all nodes.</param>
/// <param name="Controls">Random circuits of each size.</param>
/// <param name="Position">Of the metric; null: the last.</param>
/// <param name="Target">null: the clean run's top token.</param>
/// <param name="Foil">null: the best token but the target.</param>
/// <param name="MemoryBudget">Bytes that the rows of one pass may take.</param>
public sealed record FaithfulnessOptions(
    IReadOnlyList<ErrorRule>? Errors = null, int Points = 12, int Controls = 10, int Seed = 0,
    MetricKind Metric = MetricKind.Logit, int? Position = null, int? Target = null, int? Foil = null, long MemoryBudget = 1L << 30);
