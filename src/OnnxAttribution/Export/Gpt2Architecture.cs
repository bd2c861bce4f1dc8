using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>GPT-2: pre-LayerNorm, learned positions, fused QKV, GELU; weights stored [in, out] as Conv1D.</summary>
internal static class Gpt2Architecture
{
    /// <param name="folded">LayerNorm's weights are folded into the layers that read it: it only centres and scales.</param>
    /// <param name="unembedding">Name of the unembedding weight, [vocabulary, d]; <c>wte.weight</c> where tied.</param>
    /// <param name="unembeddingBias">Name of its bias, if it has one (folding makes one).</param>
    public static Value Logits(HookedGraphBuilder b, Gpt2Config config, bool folded, string unembedding, string? unembeddingBias)
    {
        var g = b.G;
        var tokens = b.Tokens();
        var positions = g.Range(g.Int(0), g.Squeeze(g.Shape(tokens, 1, 2), 0), g.Int(1));
        var x = g.Add(g.Gather(b.Weight("wte.weight"), tokens, 0), g.Gather(b.Weight("wpe.weight"), positions, 0));   // [B, T, d]
        for (var l = 0; l < config.Layers; l++) x = Block(b, config, l, x, folded);
        x = b.Site($"blocks.{config.Layers - 1}.hook_resid_post", x);
        var normalized = Norm(b, config, "ln_final", "ln_f", x, folded);
        var logits = g.MatMulTransposed(normalized, b.Weight(unembedding));
        return unembeddingBias is null ? logits : g.Add(logits, b.Weight(unembeddingBias));
    }

    private static Value Block(HookedGraphBuilder b, Gpt2Config config, int l, Value residual, bool folded)
    {
        var (g, block, h) = (b.G, $"blocks.{l}", $"h.{l}");
        long heads = config.Heads, headWidth = config.HeadWidth;
        var x = b.Site($"{block}.hook_resid_pre", residual);

        var qkv = Linear(b, Norm(b, config, $"{block}.ln1", $"{h}.ln_1", x, folded), $"{h}.attn.c_attn");
        var parts = g.Emit("Split", [qkv, g.Ints(config.Width, config.Width, config.Width)], 3, ("axis", -1L));
        Value Heads(int i, string name) => b.Hook($"{block}.attn.hook_{name}", g.Reshape(parts[i], 0, 0, heads, headWidth));
        var z = b.Attend(block, Heads(0, "q"), Heads(1, "k"), Heads(2, "v"), b.CausalMask(x), 1 / MathF.Sqrt(headWidth));
        var attention = b.Site($"{block}.hook_attn_out", Linear(b, z, $"{h}.attn.c_proj"));

        var middle = b.HookOrSite($"{block}.hook_resid_mid", g.Add(x, attention));
        var inner = Linear(b, Norm(b, config, $"{block}.ln2", $"{h}.ln_2", middle, folded), $"{h}.mlp.c_fc");
        var activated = g.Emit("Gelu", [inner], ("approximate", config.Activation == Gpt2Activation.GeluTanh ? "tanh" : "none"));
        var mlp = b.Site($"{block}.hook_mlp_out", Linear(b, activated, $"{h}.mlp.c_proj"));
        return g.Add(middle, mlp);
    }

    private static Value Linear(HookedGraphBuilder b, Value x, string name) => b.G.Add(b.G.MatMul(x, b.Weight(name + ".weight")), b.Weight(name + ".bias"));

    private static Value Norm(HookedGraphBuilder b, Gpt2Config config, string hook, string name, Value x, bool folded)
    {
        if (!folded) return b.LayerNorm(hook, x, b.Weight(name + ".weight"), b.Weight(name + ".bias"), (float)config.LayerNormEpsilon);
        var ones = b.G.Constant(hook + ".ones", Constants.Of(Enumerable.Repeat(1f, config.Width).ToArray(), config.Width));
        return b.LayerNorm(hook, x, ones, null, (float)config.LayerNormEpsilon);
    }
}
