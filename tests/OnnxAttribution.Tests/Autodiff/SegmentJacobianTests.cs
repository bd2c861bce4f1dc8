using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

public class SegmentJacobianTests
{
    // as in VjpRulesTests; a block chains some forty operators, two blocks twice as many
    private const double Float32Constants = 1e-6, Float32Agreement = 1e-4;

    [Theory, MemberData(nameof(NamesAndLengths))]
    public void Every_edge_equals_the_full_jacobian_between_its_nodes(string name, int length)
    {
        var segment = SegmentCases.Get(name);
        var jacobian = segment.Build();
        for (var seed = 0; seed < 2; seed++)
        {
            var probe = new EdgeProbe(segment, length, seed);
            var inputs = probe.Inputs(jacobian);
            var proto = jacobian.Graph.ToProto();
            var inDouble = DoubleInterpreter.Run(proto.Graph, inputs);
            var inFloat = jacobian.NeedsNoRun ? inDouble : Float32Run.Run(proto, inputs);
            foreach (var parent in jacobian.Parents)
            {
                var expected = probe.Expected(segment, parent.Value.Name);
                DirectionBatch.AssertClose(expected, probe.Edges(parent, inDouble), Float32Constants);
                DirectionBatch.AssertClose(expected, probe.Edges(parent, inFloat), Float32Agreement);
            }
        }
    }

    // less is then known to be position-wise, so that more is contracted
    [Theory, MemberData(nameof(SegmentCases.Names), MemberType = typeof(SegmentCases))]
    public void Edges_are_the_same_where_the_position_axis_has_no_name(string name)
    {
        var segment = SegmentCases.Get(name, Dim.Unknown);
        var jacobian = segment.Build();
        var probe = new EdgeProbe(segment, length: 4, seed: 0);
        var outputs = DoubleInterpreter.Run(jacobian.Graph.ToProto().Graph, probe.Inputs(jacobian));
        Assert.All(jacobian.Parents,
            p => DirectionBatch.AssertClose(probe.Expected(segment, p.Value.Name), probe.Edges(p, outputs), Float32Constants));
    }

    [Fact]
    public void A_fixed_number_of_positions_is_refused()
    {
        var e = Assert.Throws<GraphException>(() => SegmentCases.Get("MLP", Dim.Of(4)).Build());
        Assert.Contains("'R' has a fixed length of 4 positions", e.Message);
    }

    [Theory, MemberData(nameof(SegmentCases.Names), MemberType = typeof(SegmentCases))]
    public void Edges_arrive_as_the_path_to_their_parent_allows(string name)
    {
        var segment = SegmentCases.Get(name);
        var jacobian = segment.Build();
        Assert.Equal(segment.Parents, jacobian.Parents.Select(p => p.Value));
        Assert.Equal(segment.Arrivals, jacobian.Parents.Select(p =>
            (p.IsIdentity ? Arrival.Identity : 0) | (p.RowsOutput is null ? 0 : Arrival.Rows)
                | (p.TakesTangents ? Arrival.Contracted : 0)));
        Assert.Equal(segment.Arrivals.All(a => a == Arrival.Identity), jacobian.NeedsNoRun);
    }

    [Theory, MemberData(nameof(SegmentCases.Names), MemberType = typeof(SegmentCases))]
    public void A_position_wise_segment_is_answered_in_rows_only(string name)
    {
        var segment = SegmentCases.Get(name);
        if (segment.Arrivals.Any(a => a.HasFlag(Arrival.Contracted))) return;
        Assert.DoesNotContain(segment.Build().Graph.Ops().SelectMany(o => o.Out), v => Has(v!, "rows") && Has(v!, "position"));
    }

    // [N, T, d] never meets a weight below the meeting place: with one attention layer, not at all
    [Theory, InlineData("attention"), InlineData("attention, residual"), InlineData("rotary attention"), InlineData("block")]
    [InlineData("block in parallel"), InlineData("rotary block, SwiGLU"), InlineData("MLP behind attention"),
        InlineData("attention behind an MLP")]
    [InlineData("attention of A and R, R skips")]
    public void With_one_attention_layer_no_whole_cotangent_is_multiplied_with_a_weight(string name)
    {
        var products = SegmentCases.Get(name).Build().Graph.Ops().Where(o => o.Type is "MatMul" or "Gemm").ToList();
        Assert.Contains(products, o => o.In.Any(v => Has(v!, "rows") && Has(v!, "position"))); // the pattern's and the contraction
        Assert.DoesNotContain(products, o => o.In[1]!.IsFixed && Has(o.In[0]!, "rows") && Has(o.In[0]!, "position"));
    }

    [Theory, MemberData(nameof(SegmentCases.Names), MemberType = typeof(SegmentCases))]
    public void The_products_of_a_segment_can_be_counted_before_it_is_run(string name)
    {
        var sizes = new Dictionary<string, long>
        {
            ["position"] = 4, ["rows"] = 6, ["distinct"] = 3, ["tangents"] = 5, ["groups"] = 4, ["slots"] = 3,
        };
        var graph = SegmentCases.Get(name).Build().Graph;
        Assert.Equal(graph.Ops().Any(o => o.Type is "MatMul" or "Gemm"), FlopCount.Of(graph, sizes) > 0);
    }

    [Fact]
    public void A_segment_reads_its_cut_tensors_and_nothing_above_them()
    {
        var segment = SegmentCases.Get("block with parents R and A, cut at inner values");
        var inputs = segment.Build().Graph.ToProto().Graph.Input.Select(i => i.Name).ToHashSet();
        string[] expected = ["R", "A", SegmentJacobian.DistinctPositions, SegmentJacobian.RowIndex, SegmentJacobian.RowCotangents];
        Assert.Superset(expected.ToHashSet(), inputs);
        Assert.DoesNotContain("x", inputs);
        Assert.DoesNotContain("unread", inputs);
    }

    public static TheoryData<string, int> NamesAndLengths
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var row in SegmentCases.Names)
            {
                data.Add(row.Data, 4);
                data.Add(row.Data, 1);
            }
            return data;
        }
    }

    private static bool Has(Value v, string axis) => v.Shape?.Any(d => d.Symbol?.Split('*').Contains(axis) == true) != false;
}
