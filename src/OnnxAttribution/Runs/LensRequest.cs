using OnnxAttribution.Attribution;
using OnnxAttribution.Lenses;

namespace OnnxAttribution.Runs;

/// <summary>What is read through the lens of every prompt.</summary>
/// <param name="Metric">Its kind, a logit or a logit difference, and its position; target and foil come from the prompt's task.</param>
/// <param name="Lens">By which scale, and what is split.</param>
/// <param name="PrependBos">Whether prompts get a BOS; null: as the dictionaries at the selected sites were trained.</param>
/// <param name="CommandLine">The command to write into lens.json; null: none.</param>
public sealed record LensRequest(MetricRequest Metric, LensOptions Lens, bool? PrependBos = null, string? CommandLine = null);
