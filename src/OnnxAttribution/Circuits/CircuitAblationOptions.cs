using OnnxAttribution.Attribution;

namespace OnnxAttribution.Circuits;

/// <summary>How a circuit is ablated, and what is read afterwards.</summary>
/// <param name="Coefficient">What each feature's activation is multiplied by: 0 takes it away, 1 changes nothing.</param>
/// <param name="Keep">Everything but the circuit is ablated: all other features of the selected sites.</param>
/// <param name="Position">Where the next token is read; null: the last.</param>
/// <param name="Target">Token of the metric; null: the clean run's top token.</param>
/// <param name="Foil">The other token of <see cref="MetricKind.LogitDiff"/>; null: the best but the target.</param>
/// <param name="Controls">Random circuits of equal placement and size.</param>
/// <param name="MemoryBudget">Bytes that the rows of one pass may take.</param>
public sealed record CircuitAblationOptions(
    float Coefficient = 0, bool Keep = false, MetricKind Metric = MetricKind.Logit, int? Position = null, int? Target = null,
    int? Foil = null, int Controls = 10, int Seed = 0, long MemoryBudget = 1L << 30);
