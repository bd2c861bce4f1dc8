using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>The hooks of a graph that its logits are computed through, so that a change of them changes something.</summary>
internal sealed class HookTable
{
    private readonly ModelBundle _bundle;
    private readonly OnnxGraph _graph;
    private readonly HashSet<Value> _read;
    private readonly Dictionary<Value, int> _order = [];
    private readonly Dictionary<string, HookTensor> _tensors;

    public HookTable(ModelBundle bundle, OnnxGraph graph)
    {
        (_bundle, _graph) = (bundle, graph);
        var ops = Topology.Between([], [graph[ModelBundle.Logits]]);
        _read = [.. ops.SelectMany(o => o.In).OfType<Value>()];
        foreach (var v in ops.SelectMany(o => o.Out).OfType<Value>()) _order.Add(v, _order.Count);
        _tensors = bundle.Manifest.Sites.Concat(bundle.Manifest.Hooks).Distinct()
            .Select(name => On(name) is { } v && _order.ContainsKey(v) ? TensorOf(name, v) : null)
            .OfType<HookTensor>()
            .ToDictionary(t => t.Name);
        Names = [.. _tensors.Values.OrderBy(t => _order[t.Value]).Select(t => t.Name)];
    }

    /// <summary>Hook names, in the order of computation.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The turn of a tensor in the computation of the logits.</summary>
    public int Order(Value value) => _order[value];

    /// <summary>A hook by its name, or a short form such as <c>3.q</c>.</summary>
    /// <exception cref="AttributionException">There is none that can be changed; the message says which there are.</exception>
    public HookTensor Find(string name)
    {
        var full = Full(name);
        if (_tensors.TryGetValue(full, out var tensor)) return tensor;
        var words = _graph.Values.ContainsKey(full) ? "can be read, but nothing that the logits depend on reads it" : "is no hook of it";
        throw new AttributionException($"{_bundle.Directory}: {full} {words}; its hooks that can be changed are {Kinds()}")
        {
            Settings = [Files.Setting.What]
        };
    }

    /// <summary>A hook; null where there is none of that name that can be changed.</summary>
    public HookTensor? FindOrNull(string name) => _tensors.GetValueOrDefault(Full(name));

    /// <summary>The hook names without their layers' numbers, each once, with commas between.</summary>
    public string Kinds() => string.Join(", ", Names.Select(Kind).Distinct());

    private static string Kind(string name) => name.Split('.') is ["blocks", var layer, .. var rest] && int.TryParse(layer, out _)
        ? $"blocks.L.{string.Join('.', rest)}" : name;

    private string Full(string name)
    {
        if (name.Split('.') is [var layer, "q" or "k" or "v" or "pattern" or "z"] parts && int.TryParse(layer, out var l))
        {
            return $"blocks.{l}.attn.hook_{parts[1]}";
        }
        var full = Site.FromShort(name) ?? name;
        var layers = _bundle.Manifest.NLayers;
        return full == $"blocks.{layers}.hook_resid_pre" ? $"blocks.{layers - 1}.hook_resid_post" : Site.Canonical(full, layers);
    }

    // a hook is a name for a value; what the model goes on with may be what it names
    private Value? On(string name)
    {
        var v = _graph.Values.GetValueOrDefault(name);
        while (v is not null && !_read.Contains(v)) v = v.Producer is { Type: "Identity" } same ? same.In[0] : null;
        return v;
    }

    private HookTensor? TensorOf(string name, Value v)
    {
        var site = _bundle.Manifest.Sites.ToList().IndexOf(name);
        int? index = site < 0 ? null : _bundle.SiteIndex(name);
        switch (v.Shape)
        {
            case [_, _, { Size: { } width }]:
                var heads = name.EndsWith(".hook_z", StringComparison.Ordinal) ? _bundle.Manifest.NHeads : 1;
                return width % heads != 0 ? null : new HookTensor(name, v, heads)
                {
                    HasHeads = heads > 1 || name.EndsWith(".hook_z", StringComparison.Ordinal),
                    Width = (int)(width / heads),
                    Site = index,
                    Shape = t => [t, width],
                };
            case [_, { Size: null }, { Size: { } count }, { Size: { } width }]:
                return new HookTensor(name, v, (int)count) { HasHeads = true, Width = (int)width, Shape = t => [t, count, width] };
            case [_, { Size: { } count }, { Size: null }, var last]:
                return new HookTensor(name, v, (int)count)
                {
                    HasHeads = true,
                    IsHeadFirst = true,
                    Width = (int?)last.Size,
                    Shape = t => [count, t, last.Size ?? t],
                };
            default:
                return null;
        }
    }
}
