using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Export;

/// <summary>Whole graphs with operators of sets 23 and 24 (Attention, RotaryEmbedding, RMSNormalization,
/// Swish), as exporters write them, become bundles that compute and attribute rightly.</summary>
public sealed class ForeignAttentionTests
{
    [Theory, InlineData(23), InlineData(24)]
    public void Two_blocks_agree_with_the_runtimes_own_kernels_and_conserve_their_effects(int opset)
    {
        using var foreign = Model(opset);
        Assert.InRange(AdoptionCheck.Require(foreign.Options, foreign.Export()), 0, 1e-5f);
        using var model = LoadedModel.Open(foreign.Bundle, null, new RunContext(threads: 1));
        var graph = GraphFinder.Find(model, [256, 3, 200, 17, 3], null, new GraphOptions().Linear().KeepingAll());
        Assert.NotEmpty(graph.Edges);
        Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-5);
    }

    [Fact]
    public void A_cache_is_refused_by_name()
    {
        using var model = Model(23);
        model.Node("z0").Input.Add(["", "k0", "v0"]);
        model.Refused("Attention 'node", "reads a cache of earlier tokens (past_key", "use_cache=False");
    }

    private static SketchedModel Model(int opset)
    {
        var model = new SketchedModel(g =>
            Block(Block(g.Weights("cos", 16, 1).Weights("sin", 16, 1).Scalar("zero", 0L).Scalar("one", 1L).Ints("second", 1)
                .Node("shape = Shape(tokens)")
                .Node("length = Gather(shape, one)")
                .Node("range = Range(zero, length, one)")
                .Node("ids = Expand(range, shape)"), 0, "x", opset), 1, "r0", opset)
                .Node("y = Identity(r1)"),
            opset);
        var sites = model.Sites["sites"]!.AsObject();
        foreach (var l in (int[])[0, 1]) sites[$"blocks.{l}.hook_attn_out"] = $"attn{l}";
        sites["blocks.0.hook_mlp_out"] = "mlp0";
        sites["blocks.1.hook_resid_pre"] = "r0";
        sites["blocks.1.hook_resid_post"] = "r1";
        return model;
    }

    // four heads of queries for two of keys, side by side; half of each head turned
    private static GraphSketch Block(GraphSketch g, int l, string x, int opset)
    {
        g.Weights($"s{l}", 8).Weights($"Wq{l}", 8, 16).Weights($"Wk{l}", 8, 8).Weights($"Wv{l}", 8, 8).Weights($"Wo{l}", 16, 8)
            .Weights($"u{l}", 8).Weights($"Wi{l}", 8, 12).Weights($"Wg{l}", 8, 12).Weights($"Wd{l}", 12, 8)
            .Node($"n{l} = RMSNormalization({x}, s{l})")
            .Node($"q{l} = MatMul(n{l}, Wq{l})")
            .Node($"k{l} = MatMul(n{l}, Wk{l})")
            .Node($"v{l} = MatMul(n{l}, Wv{l})")
            .Node($"qr{l} = RotaryEmbedding(q{l}, cos, sin, ids)", ("num_heads", 4), ("rotary_embedding_dim", 2))
            .Node($"kr{l} = RotaryEmbedding(k{l}, cos, sin, ids)", ("num_heads", 2), ("rotary_embedding_dim", 2))
            .Node($"z{l} = Attention(qr{l}, kr{l}, v{l})", ("is_causal", 1), ("q_num_heads", 4), ("kv_num_heads", 2), ("softcap", 2f))
            .Node($"attn{l} = MatMul(z{l}, Wo{l})")
            .Node($"mid{l} = Add({x}, attn{l})")
            .Node($"m{l} = RMSNormalization(mid{l}, u{l})")
            .Node($"i{l} = MatMul(m{l}, Wi{l})")
            .Node($"g{l} = MatMul(m{l}, Wg{l})");
        g = opset >= 24 ? g.Node($"a{l} = Swish(g{l})") : g.Node($"sg{l} = Sigmoid(g{l})").Node($"a{l} = Mul(g{l}, sg{l})");
        return g.Node($"h{l} = Mul(a{l}, i{l})").Node($"mlp{l} = MatMul(h{l}, Wd{l})").Node($"r{l} = Add(mid{l}, mlp{l})");
    }
}
