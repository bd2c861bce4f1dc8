using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>Building blocks that architectures share: weights, hooks, sites with their interventions, layers.</summary>
/// <param name="weights">A weight by its checkpoint name, as external data.</param>
/// <param name="further">Hooks that are to be sites as well, because a dictionary is for them:
/// <c>hook_resid_mid</c> or <c>attn.hook_z</c> of some blocks.</param>
/// <param name="processed">Names of the weights that processing made, also of such as the checkpoint does not have.</param>
/// <param name="folded">Weights of normalisations are folded into the layers that read them.</param>
internal sealed partial class HookedGraphBuilder(Func<string, TensorProto> weights, IReadOnlySet<string> further,
    IReadOnlySet<string> processed, bool folded)
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
        var tokens = G.Input(ModelBundle.Tokens, DataType.Int64, Dim.Named("batch"), Dim.Named("position"));
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

    /// <summary>Names a readable tensor (TransformerLens hook name) and makes it an output:
    /// a site, [batch, position, d], where one is asked for.</summary>
    public Value HookOrSite(string name, Value v) => further.Contains(name) ? Site(name, v) : Hook(name, v);

    /// <summary>A tensor as it is; a site where one is asked for by its name (TransformerLens hook name).</summary>
    public Value SiteIfWanted(string name, Value v) => further.Contains(name) ? Site(name, v) : v;

    /// <summary>Names a readable tensor (TransformerLens hook name) and makes it an output.</summary>
    public Value Hook(string name, Value v)
    {
        var named = G.Identity(v, name);
        _outputs.Add(named);
        _hooks.Add(name);
        return named;
    }

    /// <summary>A site: x' = x * scale + shift, both inputs with defaults 1 and 0;
    /// x' is the output and what the model goes on with.</summary>
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

    public OnnxGraph Build(Value logits, IReadOnlyDictionary<string, string> metadata)
    {
        var named = G.Identity(logits, ModelBundle.Logits);
        return new OnnxGraph(_inputs, [named, .. _outputs]) { Metadata = metadata };
    }
}
