using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

internal sealed partial class HookedGraphBuilder
{
    /// <summary>The residual stream that leaves a block, [batch, position, d], of the one that enters it.</summary>
    /// <param name="block">What the names of its hooks begin with.</param>
    public Value Block(string block, BlockLayout layout, Value x)
    {
        var attention = Site($"{block}.hook_attn_out", Attention(block, layout.Attention, x));
        var middle = layout.IsParallel ? x : HookOrSite($"{block}.hook_resid_mid", G.Add(x, attention));
        var mlp = Site($"{block}.hook_mlp_out", Mlp(block, layout.Mlp, middle));
        return G.Add(layout.IsParallel ? G.Add(x, attention) : middle, mlp);
    }

    private Value Attention(string block, AttentionLayout layout, Value x)
    {
        var (q, k, v) = Heads(block, layout.Heads, NormalizeOrRead($"{block}.ln1", x, layout.Before));
        (q, k) = (NormalizeHeads($"{block}.attn.q_norm", q, layout.QueryNorm), NormalizeHeads($"{block}.attn.k_norm", k, layout.KeyNorm));
        if (layout.Rotary is { } rotary)
        {
            var turns = Turns(x, rotary);
            (q, k) = (Rotate($"{block}.attn.hook_rot_q", q, turns), Rotate($"{block}.attn.hook_rot_k", k, turns));
        }
        var z = Attend(block, layout, (q, k, v), CausalMask(x, layout.Window));
        return NormalizeOrRead($"{block}.ln1_post", Apply(layout.Out, z), layout.After);
    }

    // queries, keys and values, [batch, position, heads or fewer, d_head], each with its hook, out of what their layers read
    private (Value Q, Value K, Value V) Heads(string block, HeadLayout layout, Value x)
    {
        switch (layout)
        {
            case HeadLayout.Separate of:
                Value Own(Linear linear, string name) =>
                    HeadHook(block, name, G.Reshape(Apply(linear, x), 0, 0, linear.Out / of.Shape.HeadWidth, of.Shape.HeadWidth));
                return (Own(of.Query, "q"), Own(of.Key, "k"), Own(of.Value, "v"));
            case HeadLayout.Fused of:
                var sides = Thirds(Apply(of.Linear, x), of.Linear.Out / 3);
                Value Side(int i, string name) => HeadHook(block, name, G.Reshape(sides[i], 0, 0, of.Shape.Heads, of.Shape.HeadWidth));
                return (Side(0, "q"), Side(1, "k"), Side(2, "v"));
            case HeadLayout.HeadByHead of:
                long width = of.Shape.HeadWidth;
                var parts = Thirds(G.Reshape(Apply(of.Linear, x), 0, 0, of.Shape.Heads, 3 * width), width);          // [B, T, H, dh] each
                return (HeadHook(block, "q", parts[0]), HeadHook(block, "k", parts[1]), HeadHook(block, "v", parts[2]));
            default:
                throw new ArgumentOutOfRangeException(nameof(layout), layout, "no such layout of heads");
        }
    }

    private Value HeadHook(string block, string name, Value v) => Hook($"{block}.attn.hook_{name}", v);

    private Value[] Thirds(Value v, long width) => G.Emit("Split", [v, G.Ints(width, width, width)], 3, ("axis", -1L));

    private Value Mlp(string block, MlpLayout layout, Value x)
    {
        // a norm yields the MLP's input; without one it is the stream itself
        var read = layout.Before is { } before ? Normalize($"{block}.ln2", x, before) : SiteIfWanted($"{block}.mlp.hook_in", x);
        var inner = Activate(layout.Activation, Apply(layout.In, read));
        var added = Apply(layout.Out, layout.Up is null ? inner : G.Mul(inner, Apply(layout.Up, read)));
        return NormalizeOrRead($"{block}.ln2_post", added, layout.After);
    }

    // queries or keys, [batch, position, heads, d_head]
    private Value NormalizeHeads(string hook, Value heads, Norm? norm)
    {
        if (norm is null) return heads;
        long count = GraphBuilder.SizeOf(heads, 2), width = GraphBuilder.SizeOf(heads, 3);
        if (norm.Width == width) return Normalize(hook, heads, norm);
        return G.Reshape(Normalize(hook, G.Reshape(heads, 0, 0, count * width), norm), 0, 0, count, width);
    }

    private Value NormalizeOrRead(string hook, Value x, Norm? norm) => norm is null ? x : Normalize(hook, x, norm);
}
