using OnnxAttribution.Onnx;
using static OnnxAttribution.Tests.Autodiff.Arrival;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>What lies between selected sites in the models at hand, by name.</summary>
internal static class SegmentCases
{
    private static readonly Dictionary<string, Func<SegmentSketch, SegmentCase>> s_table = new()
    {
        ["MLP"] = s => From(s, "R", R => s.Mlp(s.LayerNorm(R)), Rows),
        ["MLP over flattened positions"] = s => From(s, "R", R => s.FlattenedMlp(s.LayerNorm(R)), Rows),
        ["MLP, residual"] = s => From(s, "R", R => s.G.Add(R, s.Mlp(s.LayerNorm(R))), Rows),
        ["RMSNorm and SwiGLU"] = s => From(s, "R", R => s.SwiGlu(s.RmsNorm(R)), Rows),
        ["unembedding's LayerNorm"] = s => From(s, "R", s.LayerNorm, Rows),
        ["attention"] = s => From(s, "R", R => s.Attention(s.LayerNorm(R)), Rows | Contracted),
        ["attention, residual"] = s => From(s, "R", R => s.G.Add(R, s.Attention(s.LayerNorm(R))), Rows | Contracted),
        ["rotary attention"] = s => From(s, "R", R => s.RotaryAttention(s.RmsNorm(R)), Rows | Contracted),
        ["block"] = s => From(s, "R", R => Block(s, R, s.Attention), Rows | Contracted),
        ["block in parallel"] = s =>
            From(s, "R", R => s.G.Add(R, s.G.Add(s.Attention(s.LayerNorm(R)), s.Mlp(s.LayerNorm(R)))), Rows | Contracted),
        ["rotary block, SwiGLU"] = s => From(s, "R", R => RotaryBlock(s, R), Rows | Contracted),
        ["RMSNormalization and SwiGLU"] = s => From(s, "R", R => s.SwiGlu(s.RmsNormOperator(R)), Rows),
        ["attention with shared keys and values"] = s => From(s, "R", R => s.SharedAttention(s.RmsNormOperator(R)), Rows | Contracted),
        // what comes down the residual stream in rows joins what the second attention made whole
        ["two blocks"] = s => From(s, "R", R => Block(s, Block(s, R, s.Attention), s.Attention), Contracted),
        ["two attention layers"] = s => From(s, "R", R => s.Attention(s.LayerNorm(s.Attention(s.LayerNorm(R)))), Contracted),
        ["MLP behind attention"] = s => From(s, "R", R => s.Mlp(s.LayerNorm(s.G.Add(R, s.Attention(s.LayerNorm(R))))), Rows | Contracted),
        ["attention behind an MLP"] = s =>
            From(s, "R", R => s.Attention(s.LayerNorm(s.G.Add(R, s.Mlp(s.LayerNorm(R))))), Rows | Contracted),
        ["residual additions alone"] = s => From(s, ["R", "A", "M"], v => s.G.Add(s.G.Add(v[0], v[1]), v[2]), Identity, Identity, Identity),
        ["MLP of A and R"] = s => From(s, ["R", "A"], v => s.Mlp(s.LayerNorm(s.G.Add(v[0], v[1]))), Rows, Rows),
        ["MLP of A and R, R skips"] = s => From(s, ["R", "A"], v => s.G.Add(v[0], s.Mlp(s.LayerNorm(s.G.Add(v[0], v[1])))), Rows, Rows),
        ["attention of A and R, R skips"] =
            s => From(s, ["R", "A"], v => s.G.Add(v[0], s.Attention(s.LayerNorm(s.G.Add(v[0], v[1])))), Rows | Contracted,
                Rows | Contracted),
        ["attention of R, A skips"] = s =>
            From(s, ["R", "A"], v => s.G.Add(v[1], s.Attention(s.LayerNorm(v[0]))), Rows | Contracted, Identity),
        ["block with parents R and A, cut at inner values"] = Inner,
    };

    public static TheoryData<string> Names => [.. s_table.Keys];

    public static SegmentCase Get(string name) => Get(name, Dim.Named("position"));

    /// <param name="length">What is declared of the position axis.</param>
    public static SegmentCase Get(string name, Dim length) => s_table[name](new SegmentSketch(length));

    private static Value Block(SegmentSketch s, Value R, Func<Value, Value> attention)
    {
        var middle = s.G.Add(R, attention(s.LayerNorm(R)));
        return s.G.Add(middle, s.Mlp(s.LayerNorm(middle)));
    }

    private static Value RotaryBlock(SegmentSketch s, Value R)
    {
        var middle = s.G.Add(R, s.RotaryAttention(s.RmsNorm(R)));
        return s.G.Add(middle, s.SwiGlu(s.RmsNorm(middle)));
    }

    // R reaches A too, through attention: that path is cut, not subtracted
    private static SegmentCase Inner(SegmentSketch s)
    {
        var x = s.Site("x");
        var R = s.G.Identity(s.G.Mul(x, s.G.Scalar(2)), "R");
        var A = s.G.Identity(s.Attention(s.LayerNorm(R)), "A");
        var middle = s.G.Add(R, A);
        var output = s.G.Add(R, s.Attention(s.LayerNorm(s.G.Add(middle, s.Mlp(s.LayerNorm(middle))))));
        return new(output, [R, A], [x, R, A, s.Site("unread")], [Rows | Contracted, Rows | Contracted]);
    }

    private static SegmentCase From(SegmentSketch s, string parent, Func<Value, Value> make, Arrival arrival) =>
        From(s, [parent], v => make(v[0]), arrival);

    private static SegmentCase From(SegmentSketch s, string[] parents, Func<Value[], Value> make, params Arrival[] arrivals)
    {
        Value[] sites = [.. parents.Select(s.Site)];
        return new(make(sites), sites, sites, arrivals);
    }
}
