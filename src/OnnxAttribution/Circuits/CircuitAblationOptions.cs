using OnnxAttribution.Attribution;

namespace OnnxAttribution.Circuits;

/// <summary>How a circuit is ablated, and what is read afterwards.</summary>
/// <param name="Coefficient">What each feature's activation is multiplied by: 0 takes it away, 1 changes nothing.</param>
/// <param name="Keep">Everything but the circuit is ablated: all other features of the selected sites.</param>
/// <param name="Metric">What is measured; the next token's probabilities are read at its position.</param>
/// <param name="Controls">Random circuits of equal placement and size.</param>
public sealed record CircuitAblationOptions(
    float Coefficient = 0, bool Keep = false, MetricRequest Metric = default, int Controls = 10, int Seed = 0);
