using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Where a walk over a graph goes, and by which derivatives.</summary>
/// <param name="G">Takes the operators that the walk makes.</param>
/// <param name="Rules">The estimator: which derivative each operator counts with.</param>
/// <param name="Stops">Every value at which the graph is cut, the walk's inputs included.</param>
internal sealed record WalkScope(GraphBuilder G, GradientRules Rules, IReadOnlyList<Value> Stops);
