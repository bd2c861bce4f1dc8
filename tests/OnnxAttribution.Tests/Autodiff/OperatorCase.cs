using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>A small graph around one operator, with output z, and inputs at which z is smooth in the differentiable ones.</summary>
/// <param name="Name">Operator and what is special: "MatMul: batch broadcast on the left".</param>
/// <param name="Differentiable">The inputs that z depends on smoothly and not only piecewise constantly.</param>
internal sealed record OperatorCase(string Name, GraphProto Graph, IReadOnlyList<CaseInput> Inputs, IReadOnlyList<string> Differentiable)
{
    public const string Output = "z";

    public DoubleTensor Evaluate(IReadOnlyDictionary<string, DoubleTensor> at) => DoubleInterpreter.Run(Graph, at)[Output];

    /// <summary>A value for every input; the same for the same seed.</summary>
    public Dictionary<string, DoubleTensor> Draw(int seed)
    {
        var random = new Random(seed);
        return Inputs.ToDictionary(input => input.Name, input => input.Draw(random));
    }

    /// <summary>A random cotangent z̄ in [−1, 1), of the shape of z.</summary>
    public DoubleTensor DrawCotangent(IReadOnlyDictionary<string, DoubleTensor> at, int seed) => Direction(Evaluate(at), new Random(seed));

    /// <summary>A random tangent in [−1, 1) for every differentiable input.</summary>
    public Dictionary<string, DoubleTensor> DrawTangents(IReadOnlyDictionary<string, DoubleTensor> at, int seed)
    {
        var random = new Random(seed);
        return Differentiable.ToDictionary(name => name, name => Direction(at[name], random));
    }

    /// <summary>x̄ for one differentiable input by central differences.</summary>
    public DoubleTensor Vjp(IReadOnlyDictionary<string, DoubleTensor> at, string input, DoubleTensor zBar) =>
        CentralDifferences.Vjp(Graph, at, (input, Output), zBar);

    /// <summary>ż by central differences.</summary>
    public DoubleTensor Jvp(IReadOnlyDictionary<string, DoubleTensor> at, IReadOnlyDictionary<string, DoubleTensor> xDot) =>
        CentralDifferences.Jvp(Graph, at, xDot, Output);

    public override string ToString() => Name;

    private static DoubleTensor Direction(DoubleTensor like, Random random) => like.Map(_ => (float)(2 * random.NextDouble() - 1));
}
