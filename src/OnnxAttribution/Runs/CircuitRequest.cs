using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;

namespace OnnxAttribution.Runs;

/// <summary>How a run's circuit is ablated; what is left open is the run's.</summary>
/// <param name="Ablation">Of its metric only the position is read.</param>
/// <param name="Metric">null: the run's.</param>
/// <param name="Target">Of the run's own prompts, text of one token; null: each one's own.</param>
/// <param name="Foil">Likewise.</param>
/// <param name="PrependBos">null: as the run did.</param>
internal sealed record CircuitRequest(CircuitAblationOptions Ablation, MetricKind? Metric = null, string? Target = null,
    string? Foil = null, bool? PrependBos = null);
