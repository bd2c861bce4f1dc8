using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;

namespace OnnxAttribution.Runs;

/// <summary>Which faithfulness curves of a run are wanted.</summary>
/// <param name="Curve">Its metric is taken from the run and the prompts.</param>
/// <param name="Kinds">null: patch where the run has a patch prompt, else zero.</param>
/// <param name="MeanText">A text file, for <see cref="AblationKind.Mean"/>.</param>
/// <param name="Metric">null: the run's.</param>
/// <param name="Position">null: the run's for its own prompts, else the last.</param>
/// <param name="PrependBos">null: as the run did.</param>
internal sealed record FaithfulnessRequest(
    FaithfulnessOptions Curve, IReadOnlyList<AblationKind>? Kinds = null, string? MeanText = null, MetricKind? Metric = null,
    int? Position = null, bool? PrependBos = null);
