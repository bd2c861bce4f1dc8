using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>What each block adds to the residual stream: the terms of the sum that leads from the stream before it to the stream behind it.
/// </summary>
/// <remarks>Read off the additions, so that it does not depend on how many sublayers a block has, one after the other or in parallel.
/// </remarks>
internal static class BlockOutputs
{
    /// <summary>Per block, the terms besides the stream itself.</summary>
    /// <exception cref="AttributionException">The bundle does not name the stream between two blocks, or a block does not add to it.
    /// </exception>
    public static IReadOnlyList<IReadOnlyList<Value>> Of(LoadedModel model)
    {
        var layers = model.Bundle.Manifest.NLayers;
        return [.. Enumerable.Range(0, layers).Select(l => Between(model, $"blocks.{l}.hook_resid_pre",
            l + 1 < layers ? $"blocks.{l + 1}.hook_resid_pre" : $"blocks.{l}.hook_resid_post"))];
    }

    private static List<Value> Between(LoadedModel model, string before, string behind)
    {
        var (stream, next) = (Named(model, before), Named(model, behind));
        var terms = new List<Value>();
        var isSum = false;
        var stack = new Stack<Value>([next]);
        while (stack.TryPop(out var v))
        {
            if (v == stream)
            {
                isSum = true;
            }
            else if (v.Producer is { Type: "Add" or "Identity" } op)
            {
                foreach (var x in op.In) stack.Push(x!);
            }
            else if (!v.IsFixed)
            {
                terms.Add(v);
            }
        }
        return isSum ? terms : throw Refused($"{behind} is no sum with {before}, so no gradient can be dropped at what the block adds");
    }

    private static Value Named(LoadedModel model, string site) =>
        model.Bundle.Sites.Any(s => s.Name == site)
            ? model.Graph[site]
            : throw Refused($"{model.Bundle.GraphPath} does not have {site} as a site, so blocks cannot be told apart");

    private static AttributionException Refused(string why) =>
        new($"the method atpstar drops gradients block by block, but {why}; use another method") { Settings = [Setting.Method] };
}
