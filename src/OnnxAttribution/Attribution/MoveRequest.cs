using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>Whether nodes can be really moved as options ask: by depth, all the way, or the strongest.</summary>
internal static class MoveRequest
{
    /// <exception cref="AttributionException">A depth is beyond the model, a number of nodes is none, or two of these
    /// contradict each other.</exception>
    public static void Check(LoadedModel model, GraphOptions options)
    {
        if (options.ExactDepth is { } depth) RequireDepth(model, depth);
        if (options.Refine < 0)
        {
            throw new AttributionException($"{options.Refine} is no number of nodes to refine; give one from 1, or 0 for none")
            {
                Settings = [Setting.Refine]
            };
        }
        if (options.ExactDepth is > 0 && options.Method != EffectMethod.Atp)
        {
            throw new AttributionException("a depth takes the linear step of attribution patching behind the blocks that it runs; "
                + "give it with the method atp")
            {
                Settings = [Setting.ExactDepth, Setting.Method]
            };
        }
        if (options.RefinedNodes > 0 && (options.Method == EffectMethod.Exact || options.ExactDepth is > 0))
        {
            throw new AttributionException("every node is really moved already, so there is none to refine; give one of the two")
            {
                Settings = [Setting.Refine, options.Method == EffectMethod.Exact ? Setting.Method : Setting.ExactDepth]
            };
        }
    }

    /// <summary>Refuses a depth that no node could be run to.</summary>
    /// <param name="setting">What asks for it.</param>
    /// <exception cref="AttributionException">It is below 0 or beyond the model.</exception>
    public static void RequireDepth(LoadedModel model, int depth, Setting setting = Setting.ExactDepth)
    {
        var layers = model.Bundle.Manifest.NLayers;
        if (depth >= 0 && depth <= layers) return;
        throw new AttributionException($"no node of a model of {layers} blocks can be run {depth} deep; give a depth from 0 to {layers}")
        {
            Settings = [setting]
        };
    }
}
