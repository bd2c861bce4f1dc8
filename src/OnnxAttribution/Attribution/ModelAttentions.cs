using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>Which values of a model's graph are the queries, keys and values of each attention, and what its heads yield:
/// those that its hooks name.</summary>
internal static class ModelAttentions
{
    /// <summary>All attentions of a model, by layer.</summary>
    /// <exception cref="AttributionException">The bundle does not name a tensor, or it has other axes than TransformerLens's.</exception>
    public static IReadOnlyList<AttentionTensors> Of(LoadedModel model) =>
        [.. Enumerable.Range(0, model.Bundle.Manifest.NLayers).Select(layer => At(model, layer))];

    /// <summary>The attention of one layer.</summary>
    /// <inheritdoc cref="Of" path="/exception"/>
    public static AttentionTensors At(LoadedModel model, int layer)
    {
        string Name(string name) => $"blocks.{layer}.attn.hook_{name}";
        Value Hook(string name) => Tensor(model, Name(name));
        // turned ones are behind any norm of queries or keys: one over all heads would let a query have a part in other heads
        Value Met(string name) => PerHead(model, Hook(model.Graph.Values.ContainsKey(Name($"rot_{name}")) ? $"rot_{name}" : name));
        var attention = new AttentionTensors(layer, Met("q"), Met("k"), PerHead(model, Hook("v")), Hook("z"));
        var (heads, keys) = (attention.Heads, GraphBuilder.SizeOf(attention.Keys, 2));
        var outputs = attention.Outputs.Shape;
        var isWhole = outputs is [_, _, { Size: { } h }, { Size: not null }] ? h == heads
            : outputs is [_, _, { Size: { } width }] && width % heads == 0;
        if (heads % keys != 0 || keys != GraphBuilder.SizeOf(attention.Values, 2) || !isWhole)
        {
            throw Odd(model, attention.Outputs, $"as many heads as blocks.{layer}.attn.hook_q, or a number of keys that divides them");
        }
        return attention;
    }

    /// <summary>A head that the model has.</summary>
    /// <exception cref="AttributionException">It has none of that layer or number.</exception>
    /// <param name="setting">Where it was asked for.</param>
    public static void Require(LoadedModel model, HeadName head, Setting setting)
    {
        RequireLayer(model.Bundle, head, setting);
        var heads = At(model, head.Layer).Heads;
        if (head.Head < 0 || head.Head >= heads)
        {
            throw new AttributionException($"the model has no head {head}: layer {head.Layer} has heads 0 to {heads - 1}")
            {
                Settings = [setting]
            };
        }
    }

    /// <summary>A layer that a bundle's model has.</summary>
    /// <inheritdoc cref="Require" path="/exception"/>
    public static void RequireLayer(ModelBundle bundle, HeadName head, Setting setting)
    {
        var layers = bundle.Manifest.NLayers;
        if (head.Layer >= 0 && head.Layer < layers) return;
        throw new AttributionException($"the model has no head {head}: its layers are 0 to {layers - 1}") { Settings = [setting] };
    }

    // a hook is a name for a value; what the model goes on with may be what it names
    private static Value Tensor(LoadedModel model, string hook)
    {
        if (!model.Graph.Values.TryGetValue(hook, out var v))
        {
            throw new AttributionException($"{model.Directory} names no tensor {hook}, and heads are told apart by their queries, keys, "
                + "values and outputs; export the model from its checkpoint, or name the tensor among the hooks of its sites file");
        }
        while (v.Producer is { Type: "Identity" } same) v = same.In[0]!;
        return v;
    }

    private static Value PerHead(LoadedModel model, Value v) => v.Shape is [_, _, { Size: not null }, { Size: not null }]
        ? v
        : throw Odd(model, v, "the axes batch, position, head and d_head");

    private static AttributionException Odd(LoadedModel model, Value v, string wanted) =>
        new($"{model.Directory}: the tensor '{v.Name}' of attention does not have {wanted}; name another in its sites file");
}
