using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>Exact node effects: every node really moved from its clean to its patch value, alone, a row of the batch each,
/// and everything after it computed again.</summary>
internal static class ExactEffects
{
    /// <summary>Moves the nodes.</summary>
    /// <param name="nodes">Indices in the graph's list of nodes.</param>
    /// <returns>m(patched) − m(clean) of each.</returns>
    public static float[] Of(PatchingState state, ActivationCache clean, IReadOnlyList<int> nodes) =>
        [.. new MovedNodes(state, clean, Estimator.Gradient).Effects(nodes, MovedNodes.Whole).Select(e => e.Effect)];
}
