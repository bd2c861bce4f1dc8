using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>
/// A graph that another program exported, rebuilt as a hooked one:
/// 1. The file is brought to this program's operator set, its functions are put in place.
/// 2. Its operators are made once more, from the tokens on: shapes follow from named axes,
///    what a few operators can express is rewritten with them, spelled-out norms and activations become one operator, dead ends drop out.
/// 3. Each site's tensor gets its intervention, and everything that read it reads the site.
/// </summary>
internal sealed partial class ForeignGraph
{
    // names of the foreign graph, so that they cannot collide with sites and new tensors
    internal const string Prefix = "m/";

    private readonly ForeignInputs _inputs;
    private readonly string _file;
    private readonly SiteMap _map;
    private readonly ForeignWeights _weights;
    private readonly OnnxGraph _original;
    private readonly HookedGraphBuilder _b =
        new(_ => throw new InvalidOperationException(), new HashSet<string>(), new HashSet<string>(), folded: false);
    private readonly Dictionary<Value, Value> _made = [];
    private readonly Dictionary<Value, string> _sites = [];
    private readonly Value _tokens;
    private readonly Dictionary<string, string> _axisNames = [];

    private ForeignGraph(ModelProto model, ForeignInputs inputs, ForeignWeights weights)
    {
        (_inputs, _file, _map, _weights) = (inputs, inputs.File, inputs.Map, weights);
        _original = OnnxGraph.FromProto(model);
        _tokens = _original.Inputs.First(i => i.Name == inputs.Tokens);
    }

    /// <param name="weights">What becomes of its constants.</param>
    /// <exception cref="BundleException">A tensor is not there, an input is not known, an axis is fixed,
    /// or the graph has what this program does not read; the message names it and the fix.</exception>
    public static AdoptedGraph Adopt(ModelProto model, SiteMap map, string file, ForeignWeights weights)
    {
        try
        {
            if (model.Graph is null || model.Graph.Node.Count == 0)
            {
                throw new BundleException($"{file} holds no ONNX graph; give the file that torch.onnx.export wrote")
                {
                    Settings = [Setting.Onnx]
                };
            }
            weights.TakeIn(model);
            var inputs = ForeignInputs.Of(model, map, file);
            inputs.Settle(model);
            OpsetUpgrade.Apply(model);
            FunctionInlining.Apply(model);
            OpsetUpgrade.Apply(model);   // once more, for attributes that functions were given
            BranchFolding.Apply(model);
            ContribNodes.Apply(model);
            var widened = HalfPrecision.Widen(model, weights.Widened);
            GraphCheck.RequirePlain(model);
            var sizes = GraphSizes.Count(model);
            var adopted = new ForeignGraph(model, inputs, weights).Build();
            adopted = adopted with { Changes = adopted.Changes with { Widened = widened } };
            sizes.RequireKnown();
            return adopted;
        }
        catch (GraphException e)
        {
            throw new BundleException($"{file}: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private AdoptedGraph Build()
    {
        var logits = LogitsOutput();
        var named = _map.Sites.Concat(_map.Hooks.Select(h => (Site: h.Hook, h.Tensor)))
            .Select(n => (n.Site, Tensor: Tensor(n.Site, n.Tensor)))
            .ToList();
        foreach (var (site, tensor) in named.Take(_map.Sites.Count)) Settle(site, tensor);
        _made[_tokens] = Tokens();
        foreach (var op in Topology.Between([_tokens], [logits, .. named.Select(n => n.Tensor)])) Make(op);
        foreach (var (hook, tensor) in named.Skip(_map.Sites.Count)) _b.Hook(hook, Mapped(tensor));
        foreach (var (site, tensor) in named.Take(_map.Sites.Count).Where(n => !_b.Sites.Contains(n.Site)))
        {
            throw new BundleException(
                $"{_map.Path}: the tensor '{tensor.Name}' of {site} is not computed from the tokens; name a tensor of the model");
        }
        var vocabulary = Vocabulary(logits);
        var graph = _b.Build(Mapped(logits), new Dictionary<string, string>
        {
            ["onnx-attribution.architecture"] = "onnx",
            ["onnx-attribution.source"] = Path.GetFileName(_file)
        });
        // some operators became several: what is written has to be read again
        GraphCheck.RequireCount(graph.Ops().Count, " once its operators are taken apart");
        RequireNoPast(graph);
        return new AdoptedGraph(graph, [.. _map.Sites.Select(s => s.Site)], _b.Hooks, vocabulary,
            _map.Sites.ToDictionary(s => s.Site, s => s.Tensor), Changes(logits));
    }

    private void Settle(string site, Value tensor)
    {
        if (_sites.TryGetValue(Root(tensor), out var other))
        {
            throw new BundleException(
                $"{_map.Path}: '{other}' and '{site}' name one and the same tensor, '{Root(tensor).Name}'; name the tensor of each");
        }
        _sites[Root(tensor)] = site;
    }

    private void Make(Op op) => op.Sound(() => Remake(op));

    private bool Remake(Op op)
    {
        var inputs = op.In.Select(v => v is null ? null : ShapeFolding.Constant(_b.G, Mapped(v))).ToArray();
        var copy = new Op(op.Type, "", op.Name.Length > 0 ? Prefix + op.Name : "", inputs, op.Attributes);
        var made = OperatorLowering.Lower(_b.G, op, inputs) ?? ShapeFolding.Fold(_b.G, op, inputs)
            ?? (PatternFusion.Fuse(_b.G, op, inputs) is { } fused ? (Value[])[fused] : null)
            ?? GraphBuilder.Attach(copy, [.. op.Out.Select(v => v is null ? "" : Prefix + v.Name)], Declared);
        for (var i = 0; i < op.Out.Count && i < made.Length; i++)
        {
            if (op.Out[i] is { } v) _made[v] = _sites.TryGetValue(v, out var site) ? Site(site, v, made[i]) : made[i];
        }
        return true;

        // what the file says about a tensor that inference knows nothing of: sizes, and the tokens' own axes
        Value? Declared(string name)
        {
            var v = op.Out.First(o => o is not null && Prefix + o.Name == name)!;
            return new Value(name, v.Type, v.Shape is null
                ? null
                : [.. v.Shape.Select(d => d.Size is not null ? d
                    : d.Symbol is { } s && _axisNames.TryGetValue(s, out var ours) ? Dim.Named(ours)
                    : Dim.Unknown)]);
        }
    }

    private Value Mapped(Value v)
    {
        if (_made.TryGetValue(v, out var made)) return made;
        if (v.Initializer is { } content) return _made[v] = _b.G.Constant(Prefix + v.Name, _weights.Place(content));
        return _made[v] = v.IsInput ? OtherInput(v) : throw new GraphException($"'{v.Name}' is made by no node");
    }

    // through operators that only hand a tensor on: a site is what all of its names read
    private static Value Root(Value v)
    {
        while (v.Producer is { Type: "Identity" } p) v = p.In[0]!;
        return v;
    }

    private Value Site(string site, Value tensor, Value made)
    {
        var g = _b.G;
        if (made.Type != DataType.Float)
        {
            throw new BundleException($"{_map.Path}: the tensor '{tensor.Name}' of {site} is {made.Type} in {_file}{Origin(made)}; "
                + $"sites are float32: {InSinglePrecision}");
        }
        switch (made.Shape)
        {
            case [{ Symbol: "batch" }, { Symbol: "position" }, { Size: not null }]:
                return _b.Site(site, made);
            // heads stand apart: the site has them side by side, and what reads the tensor gets it as it was
            case [{ Symbol: "batch" }, { Symbol: "position" }, { Size: { } heads }, { Size: { } width }]:
                return g.Reshape(_b.Site(site, g.Reshape(made, 0, 0, heads * width)), 0, 0, heads, width);
            case [{ Symbol: "batch" }, { Size: { } heads }, { Symbol: "position" }, { Size: { } width }]:
                return g.Transpose(g.Reshape(_b.Site(site, g.Reshape(g.Transpose(made, 0, 2, 1, 3), 0, 0, heads * width)), 0, 0, heads,
                    width), 0, 2, 1, 3);
            case null or [_, _, ..] when made.Shape is null || made.Shape.Any(d => d is { Size: null, Symbol: null }):
                throw new BundleException($"{_file}: the shape of '{tensor.Name}' ({site}) does not follow from the tokens'{Cause(made)}; "
                    + "export the model with other operators in its place");
            default:
                throw new BundleException($"{_map.Path}: the tensor '{tensor.Name}' of {site} has shape {ShapeText(made.Shape)} where "
                    + "[batch, position, width] is expected, or heads apart: "
                    + (made.Shape is [{ Size: not null }, ..] or [_, { Size: not null }, _] ? DynamicFix : "name another tensor"));
        }
    }

    // the operator that an unknown shape comes from
    internal static string Cause(Value value)
    {
        static bool Unknown(Value? v) =>
            v is { IsConstant: false } && (v.Shape is null || v.Shape.Any(d => d is { Size: null, Symbol: null }));
        var op = Topology.Between([], [value]).FirstOrDefault(o => o.Out.Any(Unknown) && !o.In.Any(Unknown));
        return op is null ? "" : $": nothing is known of {Named(op)}";
    }

    // the first operator that computes in a type, which all behind it inherit
    private static string Origin(Value value) => Topology.Between([], [value])
        .FirstOrDefault(o => o.Out.Any(v => v?.Type == value.Type)) is { } op ? $", which {Named(op)} makes it" : "";

    private const string InSinglePrecision = "export the model in float32 (model.float(); optimum with dtype fp32)";

    /// <summary>An operator in a message, by the name that the foreign graph gave it or its tensor.</summary>
    internal static string Named(Op op) =>
        $"{Op.Short(op.Type)} '{Op.Short(Written(op.Name.Length > 0 ? op.Name : op.Out.FirstOrDefault(v => v is not null)?.Name ?? ""))}'";

    internal static string Written(string name) => name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;

    private static string ShapeText(Dim[]? shape) => shape is null ? "(unknown)" : $"[{string.Join(", ", shape)}]";

    private Value Tensor(string site, string tensor)
    {
        if (_original.Values.TryGetValue(tensor, out var v) && v.Producer is not null) return v;
        var made = _original.Values.Values.Where(x => x.Producer is not null).Select(x => x.Name);
        throw new BundleException(
            $"{_map.Path}: {_file} has no tensor '{tensor}' ({site}). Did you mean '{SpellCheck.Among(made, tensor)}'?");
    }
}
