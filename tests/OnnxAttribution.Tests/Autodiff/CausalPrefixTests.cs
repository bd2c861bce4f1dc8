using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>What shows that first positions need no others: the operators, and what the masks hold.</summary>
public sealed class CausalPrefixTests
{
    private static readonly SegmentSketch s_sketch = new(Dim.Named("position"));

    [Fact]
    public void Masked_attention_needs_no_later_position()
    {
        foreach (var attention in (Func<Value, Value>[])[s_sketch.Attention, s_sketch.RotaryAttention])
        {
            var x = s_sketch.Site("x");
            var prefix = CausalPrefix.Of(s_sketch.Mlp(s_sketch.LayerNorm(attention(s_sketch.RmsNorm(x)))), [x])!;
            Assert.Equal(true, Assert.Single(prefix.Masks).Open);
            Assert.Contains(prefix.Masks[0].Table, prefix.Tables);
            Assert.Equal([0, 1], prefix.AxesOf(prefix.Masks[0].Table));
        }
    }

    [Fact]
    public void What_keeps_positions_apart_needs_no_mask()
    {
        var x = s_sketch.Site("x");
        Assert.Empty(CausalPrefix.Of(s_sketch.SwiGlu(s_sketch.RmsNormOperator(s_sketch.FlattenedMlp(x))), [x])!.Masks);
    }

    public static TheoryData<string> Mixing => [.. s_mixing.Keys];

    // each reads all positions, or may
    private static readonly Dictionary<string, Func<GraphBuilder, Value, Value>> s_mixing = new()
    {
        ["attention without a mask"] = (_, x) => s_sketch.SharedAttention(x),
        ["a mean over positions"] = (g, x) => g.Sub(x, g.ReduceMean(x, true, 1)),
        ["the last position"] = (g, x) => g.Add(x, g.Gather(x, g.Ints(-1), 1)),
        ["a sum from the end"] = (g, x) => g.Emit("CumSum", [x, g.Int(1)], ("reverse", 1L)),
        ["values added up without a pattern"] = (g, x) => g.MatMul(g.MatMul(x, g.Transpose(x, 0, 2, 1)), x),
        ["a mask that scores make"] = (g, x) => Attend(g, x, s => g.Where(g.Greater(s, g.Scalar(0)), s, g.Scalar(float.MinValue))),
        ["a mask of too little weight"] = (g, x) => Attend(g, x, s => g.Where(Past(g, x), s, g.Scalar(-100f))),
        ["a mask turned"] = (g, x) => Attend(g, x,
            s => g.Transpose(g.Where(Past(g, x), g.Transpose(s, 0, 2, 1), g.Scalar(-1e30f)), 0, 2, 1)),
        ["a softmax over queries"] = (g, x) => Attend(g, x, s => g.Where(Past(g, x), s, g.Scalar(-1e30f)), over: 1),
        ["zeros that something is added to"] = (g, x) => Attend(g, x, s => g.Where(Past(g, x), s, g.Scalar(-1e30f)),
            then: p => g.Add(p, g.Scalar(1))),
        ["a scale by the number of positions"] = (g, x) => g.Mul(x, g.Cast(g.Shape(x, 1, 2), DataType.Float)),
    };

    [Theory, MemberData(nameof(Mixing))]
    public void What_may_read_later_positions_is_not_cut(string name)
    {
        var x = s_sketch.Site("x");
        Assert.Null(CausalPrefix.Of(s_mixing[name](s_sketch.G, x), [x]));
    }

    [Fact]
    public void The_same_attention_with_its_mask_is_cut()
    {
        var (g, x) = (s_sketch.G, s_sketch.Site("x"));
        Assert.Single(CausalPrefix.Of(Attend(g, x, s => g.Where(Past(g, x), s, g.Scalar(-1e30f))), [x])!.Masks);
        Assert.Null(CausalPrefix.Of(Attend(g, x, s => g.Add(s, g.Cast(Past(g, x), s.Type))), [x])!.Masks.Single().Open);
        Assert.Equal(false, CausalPrefix.Of(Attend(g, x, s => g.Where(Past(g, x), g.Scalar(-1e30f), s)), [x])!.Masks.Single().Open);
    }

    // one head, [1, T, T]
    private static Value Attend(GraphBuilder g, Value x, Func<Value, Value> masked, int over = -1, Func<Value, Value>? then = null)
    {
        var pattern = g.Softmax(masked(g.MatMul(x, g.Transpose(x, 0, 2, 1))), over);
        return g.MatMul(then is null ? pattern : then(pattern), x);
    }

    private static Value Past(GraphBuilder g, Value x)
    {
        var positions = g.Range(g.Int(0), g.Squeeze(g.Shape(x, 1, 2), 0), g.Int(1));
        return g.Emit("LessOrEqual", [g.Unsqueeze(positions, 0), g.Unsqueeze(positions, 1)]);
    }

    [Theory]
    [InlineData("100 110 111", true)]
    [InlineData("100 110 011", true)]   // a window
    [InlineData("100 010 001", true)]
    [InlineData("110 110 111", false)]  // a prefix that reads itself
    [InlineData("111 111 111", false)]
    [InlineData("111 011 001", false)]
    [InlineData("000 110 111", false)]  // a query that reads nothing: its pattern is even over all keys
    [InlineData("100 110 111 100 110 111", true)]
    [InlineData("100 110 111 100 111 111", false)]  // the second head's
    public void A_mask_is_causal_where_no_query_reads_a_later_key(string rows, bool isCausal)
    {
        bool[] open = [.. rows.Where(c => c != ' ').Select(c => c == '1')];
        var table = s_sketch.Site("mask");
        Assert.Equal(isCausal, new CausalMask(table, true).IsCausal(open, 3));
        Assert.Equal(isCausal, new CausalMask(table, false).IsCausal(Array.ConvertAll(open, b => !b), 3));
        foreach (var closed in (float[])[float.MinValue, float.NegativeInfinity, -1e9f])
        {
            Assert.Equal(isCausal, CausalMask.IsCausal(Array.ConvertAll(open, b => b ? -0.5f : closed), 3));
        }
        Assert.False(CausalMask.IsCausal(Array.ConvertAll(open, b => b ? 0 : -1e4f), 3));
        Assert.False(CausalMask.IsCausal(Array.ConvertAll(open, b => b ? 0 : float.NaN), 3));
    }
}
