using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Tests.Reference;

/// <summary>Derivatives of a graph by central differences in double, through <see cref="DoubleInterpreter"/>.</summary>
/// <remarks>
/// Fourth order: f′(0) = [8 (f(h) − f(−h)) − (f(2h) − f(−2h))] / 12h − O(h⁴ f⁽⁵⁾). At h = 1e-3 both that term and rounding (ε f / h) are
/// near 1e-12 for functions of unit size, and below 1e-9 of the largest entry for every <see cref="Autodiff.OperatorCases"/> case.
/// </remarks>
internal static class CentralDifferences
{
    public const double Step = 1e-3;

    /// <summary>x̄ = Jᵀ z̄ for one input: entry i is ∂⟨z̄, z⟩/∂xᵢ, of the shape of that input.</summary>
    public static DoubleTensor Vjp(
        GraphProto graph, IReadOnlyDictionary<string, DoubleTensor> at, (string Input, string Output) of, DoubleTensor zBar,
        double step = Step)
    {
        var (input, output) = of;
        var x = at[input];
        var moved = new DoubleTensor(x.Shape, [.. x.Data]);
        var point = new Dictionary<string, DoubleTensor>(at) { [input] = moved };
        var xBar = DoubleTensor.Zeros(x.Shape);
        for (var i = 0; i < x.Data.Length; i++)
        {
            xBar.Data[i] = Slope(h =>
            {
                moved.Data[i] = x.Data[i] + h;
                return DoubleInterpreter.Run(graph, point)[output].Dot(zBar);
            }, step);
            moved.Data[i] = x.Data[i];
        }
        return xBar;
    }

    /// <summary>ż = J ẋ, of the shape of the output, along tangents of any inputs; an input without one stands still.</summary>
    public static DoubleTensor Jvp(
        GraphProto graph, IReadOnlyDictionary<string, DoubleTensor> at, IReadOnlyDictionary<string, DoubleTensor> xDot, string output)
    {
        DoubleTensor At(double h)
        {
            var point = new Dictionary<string, DoubleTensor>(at);
            foreach (var (name, tangent) in xDot)
            {
                point[name] = new DoubleTensor(at[name].Shape, [.. at[name].Data.Zip(tangent.Data, (x, u) => x + h * u)]);
            }
            return DoubleInterpreter.Run(graph, point)[output];
        }
        var (far, near, backNear, backFar) = (At(2 * Step), At(Step), At(-Step), At(-2 * Step));
        return new DoubleTensor(near.Shape,
            [.. near.Data.Select((z, i) => (8 * (z - backNear.Data[i]) - (far.Data[i] - backFar.Data[i])) / (12 * Step))]);
    }

    private static double Slope(Func<double, double> f, double h) => (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
}
