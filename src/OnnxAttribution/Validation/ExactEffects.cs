using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>Exact node effects: every node really moved from its clean to its patch value, alone, a row of the batch each,
/// and everything after it computed again.</summary>
internal static class ExactEffects
{
    /// <summary>Moves the nodes, in the model that the graph is of.</summary>
    /// <param name="nodes">Indices in the graph's list of nodes.</param>
    /// <returns>m(patched) − m(clean) of each.</returns>
    public static float[] Of(PatchingState state, ActivationCache clean, IReadOnlyList<int> nodes) =>
        In(state.ModelOfGraph, state, clean, nodes);

    /// <summary>Moves the nodes in a model.</summary>
    /// <inheritdoc cref="Of"/>
    public static float[] In(MovedModel model, PatchingState state, ActivationCache clean, IReadOnlyList<int> nodes) =>
        state.Model.IsReplaced ? new MovedSubsets(state, clean, model).Effects([.. nodes.Select(i => (int[])[i])])
            : [.. new MovedNodes(state, clean, Estimator.Gradient).Effects(nodes, MovedNodes.Whole).Select(e => e.Effect)];
}
