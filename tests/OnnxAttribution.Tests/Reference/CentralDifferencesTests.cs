using OnnxAttribution.Tests.Autodiff;

namespace OnnxAttribution.Tests.Reference;

public class CentralDifferencesTests
{
    [Fact]
    public void The_vjp_of_the_exponential_is_the_cotangent_times_the_exponential()
    {
        var graph = new GraphSketch().Input("x", 3).Node("z = Exp(x)").ToGraph();
        var at = new Dictionary<string, DoubleTensor> { ["x"] = DoubleTensor.Vector(-1, 0.5, 2) };
        var xBar = CentralDifferences.Vjp(graph, at, ("x", "z"), DoubleTensor.Vector(1, -2, 3));
        Assert.Equal(Math.Exp(-1), xBar.Data[0], tolerance: 1e-10);
        Assert.Equal(-2 * Math.Exp(0.5), xBar.Data[1], tolerance: 1e-10);
        Assert.Equal(3 * Math.Exp(2), xBar.Data[2], tolerance: 1e-10);
    }

    // halving the step changes nothing, so that no kink or pole is within reach; ⟨z̄, J ẋ⟩ = ⟨Jᵀ z̄, ẋ⟩ ties both derivatives together
    [Theory, MemberData(nameof(OperatorCases.Names), MemberType = typeof(OperatorCases))]
    public void Every_case_is_smooth_where_it_is_tested(string name)
    {
        var f = OperatorCases.Get(name);
        for (var seed = 0; seed < 3; seed++)
        {
            var at = f.Draw(seed);
            var zBar = f.DrawCotangent(at, seed);
            var xDot = f.DrawTangents(at, seed);
            var pulledBack = 0.0;
            foreach (var input in f.Differentiable)
            {
                var xBar = f.Vjp(at, input, zBar);
                var half = CentralDifferences.Vjp(f.Graph, at, (input, OperatorCase.Output), zBar, CentralDifferences.Step / 2);
                var largest = Math.Max(1, xBar.Data.Max(Math.Abs));
                Assert.All(xBar.Data.Zip(half.Data), pair => Assert.Equal(pair.First, pair.Second, tolerance: 1e-9 * largest));
                Assert.Contains(xBar.Data, entry => Math.Abs(entry) > 1e-6); // the input moves the output
                pulledBack += xBar.Dot(xDot[input]);
            }
            Assert.Equal(pulledBack, f.Jvp(at, xDot).Dot(zBar), tolerance: 1e-9 * Math.Max(1, Math.Abs(pulledBack)));
        }
    }
}
