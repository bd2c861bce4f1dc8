using OnnxAttribution.Circuits;

namespace OnnxAttribution.Runs;

/// <summary>Nodes of a circuit that are moved together, apart from the rest of it.</summary>
/// <param name="Name">Its own, or how the one node is spelt.</param>
/// <param name="Listed">Its nodes as the subgraph spells them.</param>
/// <param name="Nodes">What these are in the model: at least one.</param>
/// <param name="Estimate">Σ of the effects that the run has of them, in the metric's unit; NaN where it has not all of them, or what is
/// asked is not what the run did.</param>
/// <param name="IsSingle">One node that is in no group.</param>
internal sealed record CircuitGroup(string Name, IReadOnlyList<string> Listed, Circuit Nodes, double Estimate, bool IsSingle);
