using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Where a walk over a graph goes, and by which derivatives.</summary>
/// <param name="G">Takes the operators that the walk makes.</param>
/// <param name="Rules">The estimator: which derivative each operator counts with.</param>
/// <param name="Stops">Every value at which the graph is cut, the walk's inputs included.</param>
internal sealed record WalkScope(GraphBuilder G, GradientRules Rules, IReadOnlyList<Value> Stops)
{
    /// <summary>Factors [B, 1, …] of whole cotangents on their way from a value to what it is computed from; the value itself keeps its
    /// cotangent as it arrived. None where the walk is a derivative.</summary>
    public IReadOnlyDictionary<Value, Value> Gates { get; init; } = new Dictionary<Value, Value>();
}
