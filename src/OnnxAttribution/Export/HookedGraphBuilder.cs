using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>Building blocks that architectures share: weights, hooks, sites with their interventions, attention's causal mask.</summary>
/// <param name="weights">A weight by its checkpoint name, as external data.</param>
/// <param name="further">Hooks that are to be sites as well, because a dictionary is for them: <c>hook_resid_mid</c> or <c>attn.hook_z</c> of some blocks.</param>
internal sealed class HookedGraphBuilder(Func<string, TensorProto> weights, IReadOnlySet<string> further)
{
    private readonly List<Value> _inputs = [];
    private readonly List<Value> _outputs = [];
    private readonly List<string> _sites = [];
    private readonly List<string> _hooks = [];
    private readonly Dictionary<string, Value> _weights = [];

    public GraphBuilder G { get; } = new("n/");

    /// <summary>Sites in the order of computation.</summary>
    public IReadOnlyList<string> Sites => _sites;

    /// <summary>Readable tensors that are no sites.</summary>
    public IReadOnlyList<string> Hooks => _hooks;

    /// <summary>int64 [batch, position].</summary>
    public Value Tokens()
    {
        var tokens = G.Input("tokens", DataType.Int64, Dim.Named("batch"), Dim.Named("position"));
        _inputs.Add(tokens);
        return tokens;
    }

    /// <summary>A weight as float32, where it lies; half precision is converted in the graph.</summary>
    public Value Weight(string name)
    {
        if (_weights.TryGetValue(name, out var made)) return made;
        var v = G.Constant(name, weights(name));
        if (v.Type != DataType.Float) v = G.Emit("Cast", [v], [name + ".float"], ("to", (long)DataType.Float))[0];
        return _weights[name] = v;
    }

    /// <summary>Names a readable tensor (TransformerLens hook name) and makes it an output: a site, [batch, position, d], where one is asked for.</summary>
    public Value HookOrSite(string name, Value v) => further.Contains(name) ? Site(name, v) : Hook(name, v);

    /// <summary>Names a readable tensor (TransformerLens hook name) and makes it an output.</summary>
    public Value Hook(string name, Value v)
    {
        var named = G.Identity(v, name);
        _outputs.Add(named);
        _hooks.Add(name);
        return named;
    }

    /// <summary>A site: x' = x * scale + shift, both inputs with defaults 1 and 0; x' is the output and what the model goes on with.</summary>
    public Value Site(string name, Value x)
    {
        Dim[] any = [Dim.Named(name + ".b"), Dim.Named(name + ".p"), Dim.Named(name + ".d")];
        var scale = G.InputWithDefault(name + ".scale", Constants.Of([1f], 1, 1, 1), any);
        var shift = G.InputWithDefault(name + ".shift", Constants.Of([0f], 1, 1, 1), any);
        _inputs.AddRange([scale, shift]);
        var raw = G.Identity(x, name + ".raw");
        var scaled = G.Emit("Mul", [raw, scale], [name + ".scaled"])[0];
        var site = G.Emit("Add", [scaled, shift], [name])[0];
        _outputs.Add(site);
        _sites.Add(name);
        return site;
    }

    /// <summary>LayerNorm over the last axis, with <c>hook_scale</c> = √(var x + ε), [batch, position, 1].</summary>
    public Value LayerNorm(string hook, Value x, Value weight, Value? bias, float epsilon)
    {
        var made = G.Emit("LayerNormalization", bias is null ? [x, weight] : [x, weight, bias], [hook + ".normalized", hook + ".mean", hook + ".inverse"],
            ("axis", -1L), ("epsilon", epsilon));
        Hook(hook + ".hook_scale", G.Reciprocal(made[2]));
        return made[0];
    }

    /// <summary>bool [position, position]: whether the query (row) may look at the key (column).</summary>
    public Value CausalMask(Value x)
    {
        var positions = G.Range(G.Int(0), G.Squeeze(G.Shape(x, 1, 2), 0), G.Int(1));
        return G.Emit("LessOrEqual", [G.Unsqueeze(positions, 0), G.Unsqueeze(positions, 1)]);
    }

    /// <summary>Softmax attention of heads: q, k, v [batch, position, heads, d_head] to z of all heads side by side, [batch, position, heads · d_head], with pattern and z as hooks.</summary>
    /// <remarks>The hook <c>attn.hook_z</c> has TransformerLens's four axes unless it is a site: a site has one vector per position.</remarks>
    public Value Attend(string block, Value q, Value k, Value v, Value mask, float scale)
    {
        var scores = G.MatMul(G.Transpose(G.Mul(q, G.Scalar(scale)), 0, 2, 1, 3), G.Transpose(k, 0, 2, 3, 1));       // [B, H, T, T]
        var pattern = Hook($"{block}.attn.hook_pattern", G.Softmax(G.Where(mask, scores, G.Scalar(float.MinValue)), -1));
        var z = G.Transpose(G.MatMul(pattern, G.Transpose(v, 0, 2, 1, 3)), 0, 2, 1, 3);                              // [B, T, H, dh]
        var (name, width) = ($"{block}.attn.hook_z", q.Shape![2].Size * q.Shape[3].Size ?? throw new GraphException($"the heads of {block} have no fixed width"));
        return further.Contains(name) ? Site(name, G.Reshape(z, 0, 0, width)) : G.Reshape(Hook(name, z), 0, 0, width);
    }

    public OnnxGraph Build(Value logits, IReadOnlyDictionary<string, string> metadata)
    {
        var named = G.Identity(logits, "logits");
        return new OnnxGraph(_inputs, [named, .. _outputs]) { Metadata = metadata };
    }
}
