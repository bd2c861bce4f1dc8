using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

public class EstimatorSegmentTests
{
    // as in SegmentJacobianTests
    private const double Float32Constants = 1e-6, Float32Agreement = 1e-4;

    [Theory, MemberData(nameof(EstimatorCases.Segments), MemberType = typeof(EstimatorCases))]
    public void Every_edge_equals_the_full_jacobian_with_the_fixed_parts_as_constants(string estimator, string name)
    {
        var rules = EstimatorCases.RulesOf(estimator);
        foreach (var length in (Dim[])[Dim.Named("position"), Dim.Unknown])
        {
            var segment = SegmentCases.Get(name, length);
            var jacobian = segment.Build(rules);
            var probe = new EdgeProbe(segment, length: 4, seed: 0);
            var inputs = probe.Inputs(jacobian);
            var proto = jacobian.Graph.ToProto();
            var inDouble = DoubleInterpreter.Run(proto.Graph, inputs);
            var inFloat = jacobian.NeedsNoRun ? inDouble : Float32Run.Run(proto, inputs);
            foreach (var parent in jacobian.Parents)
            {
                var expected = probe.Expected(segment, parent.Value.Name, rules);
                DirectionBatch.AssertClose(expected, probe.Edges(parent, inDouble), Float32Constants);
                DirectionBatch.AssertClose(expected, probe.Edges(parent, inFloat), Float32Agreement);
            }
        }
    }

    [Theory]
    [InlineData("attention", "gradient", 3), InlineData("attention", "relp", 3), InlineData("attention", "frozen", 1)]
    [InlineData("attention with shared keys and values", "gradient", 3), InlineData("attention with shared keys and values", "frozen", 1)]
    [InlineData("attention", "gim", 3), InlineData("attention with shared keys and values", "gim", 3)]
    [InlineData("rotary attention", "gradient", 3), InlineData("rotary attention", "frozen", 1), InlineData("block", "frozen", 1)]
    public void With_a_fixed_pattern_cotangents_meet_tangents_at_v_only(string name, string estimator, int meetings)
    {
        var segment = SegmentCases.Get(name).Build(EstimatorCases.RulesOf(estimator));
        // a contraction is the product of rows with tangents, of which keys and values have one each; queries are met in rows
        Assert.Equal(meetings - (meetings == 3 ? 1 : 0), segment.Graph.Ops()
            .Count(o => o.Type == "MatMul" && o.Out[0]!.Shape is { } z && z[^2].Symbol == "rows" && z[^1].Symbol == "tangents"));
        Assert.Equal(meetings == 3 || name == "block", segment.Parents.Single().RowsOutput is not null);
    }
}
