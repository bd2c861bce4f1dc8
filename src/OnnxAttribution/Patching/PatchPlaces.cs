using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Patching;

/// <summary>The places of a sweep: of each kind, every layer, and every position or head in it.</summary>
internal static class PatchPlaces
{
    /// <param name="positions">Tokens of each prompt.</param>
    /// <param name="byPosition">Heads are patched at each position too.</param>
    /// <exception cref="AttributionException">The model has no such hook that can be changed; the message says which there are.</exception>
    public static IReadOnlyList<PatchPlace> Of(LoadedModel model, IReadOnlyList<PatchKind> kinds, int positions, bool byPosition)
    {
        var (hooks, places) = (HookSteps.Of(model).Hooks, new List<PatchPlace>());
        foreach (var kind in kinds)
        {
            for (var layer = 0; layer < model.Bundle.Manifest.NLayers; layer++)
            {
                var name = NameOf(kind, layer);
                if (hooks.FindOrNull(name) is not { } hook)
                {
                    throw new AttributionException($"{model.Directory} has no {name} that can be patched; its hooks are {hooks.Kinds()}")
                    {
                        Settings = [Setting.What]
                    };
                }
                places.AddRange(hook.HasHeads ? OfHeads(kind, layer, hook, byPosition ? positions : 0)
                    : Enumerable.Range(0, positions).Select(t => new PatchPlace(kind, hook.Name, layer, null, t)));
            }
        }
        return places;
    }

    private static IEnumerable<PatchPlace> OfHeads(PatchKind kind, int layer, HookTensor hook, int positions)
    {
        for (var head = 0; head < hook.Heads; head++) yield return new PatchPlace(kind, hook.Name, layer, head, null);
        for (var head = 0; head < hook.Heads; head++)
        {
            for (var t = 0; t < positions; t++) yield return new PatchPlace(kind, hook.Name, layer, head, t);
        }
    }

    private static string NameOf(PatchKind kind, int layer) => $"blocks.{layer}." + kind switch
    {
        PatchKind.Resid => "hook_resid_pre",
        PatchKind.Attn => "hook_attn_out",
        PatchKind.Mlp => "hook_mlp_out",
        _ => $"attn.hook_{EnumName.Of(kind)}",
    };
}
