using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>How edges from a parent arrive, in several ways at once where several paths lead there.</summary>
[Flags]
internal enum Arrival
{
    /// <summary>As they were given: nothing to run.</summary>
    Identity = 1,

    /// <summary>Pulled back position by position.</summary>
    Rows = 2,

    /// <summary>Met by tangents where positions mix.</summary>
    Contracted = 4,
}

/// <summary>A piece of a transformer between cut tensors [1, position, <see cref="Width"/>].</summary>
/// <param name="Arrivals">Per parent, how its edges are expected to arrive.</param>
internal sealed record SegmentCase(Value Output, IReadOnlyList<Value> Parents, IReadOnlyList<Value> Stops, IReadOnlyList<Arrival> Arrivals)
{
    public const int Width = 6;

    public SegmentJacobian Build(GradientRules? rules = null) =>
        SegmentJacobian.Build(Output, Parents, Stops, rules ?? GradientRules.Gradient);

    /// <summary>The segment itself, from its parents to its output.</summary>
    public OnnxGraph Primal => new(Parents, [Output]);
}
