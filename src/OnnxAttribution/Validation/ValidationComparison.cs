using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>
/// Holds approximate effects against exact ones.
/// 1. Sampled nodes are really moved, each alone, and everything after them is computed again.
/// 2. Sampled edges are really followed (<see cref="ExactEdges"/>).
/// 3. Beside them stand the run's own values; those of edges that the run left out are found anew.
///    Further estimators are judged against the same exact values.
/// </summary>
internal sealed class ValidationComparison(PatchingState state, ActivationCache clean)
{
    /// <param name="nodes">The run's, by the sites' indices.</param>
    /// <param name="edges">The run's.</param>
    /// <param name="own">What the run was made with; its gradients are the exact edges' g_d.</param>
    /// <param name="others">Estimators to judge beside it.</param>
    /// <returns>Estimator by estimator, nodes before edges, in the sample's order.</returns>
    public List<ValidationCheck> Of(
        IReadOnlyList<CausalNode> nodes, IReadOnlyList<CausalEdge> edges, ValidationSample sample, JudgedEstimator own,
        IReadOnlyList<JudgedEstimator> others, IProgress<string>? progress)
    {
        state.UseGradients(own.Method, own.Estimator, own.Steps);
        NodePair[] pairs = [.. sample.Edges.Select(e => e.Pair)];
        var exactNodes = ExactNodes(sample.Nodes, progress);
        var exactEdges = new ExactEdges(state, clean, nodes)
            .Of(pairs, done => progress?.Report($"following edges, {done:N0} of {pairs.Length:N0}"));

        progress?.Report("estimating");
        var stored = Estimates.Stored(nodes, edges);
        NodePair[] missing = [.. pairs.Where(p => !stored.Has(p))];
        var found = missing.Length == 0 ? stored : Estimates.Of(state, own, missing);
        var checks = new List<ValidationCheck>();
        Add(checks, own.Name, stored, p => stored.Has(p) ? stored : found);
        foreach (var other in others)
        {
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            var estimates = Estimates.Of(state, other, pairs);
            Add(checks, other.Name, estimates, _ => estimates);
        }
        return checks;

        void Add(List<ValidationCheck> to, string name, Estimates ofNodes, Func<NodePair, Estimates> ofEdge)
        {
            foreach (var ((node, stratum), exact) in sample.Nodes.Zip(exactNodes))
            {
                to.Add(new ValidationCheck(false, stratum, name, nodes[node], null, float.NaN, float.NaN, ofNodes.Effect(node), exact));
            }
            foreach (var ((pair, stratum), exact) in sample.Edges.Zip(exactEdges))
            {
                var by = ofEdge(pair);
                to.Add(new ValidationCheck(true, stratum, name, nodes[pair.Up], pair.Down == CausalEdge.Metric ? null : nodes[pair.Down],
                    by.Change(pair), exact.Change, by.Effect(pair), exact.Effect));
            }
        }
    }

    private float[] ExactNodes(IReadOnlyList<(int Node, Stratum Stratum)> sample, IProgress<string>? progress)
    {
        var exact = new float[sample.Count];
        var done = 0;
        foreach (var site in state.Sites)
        {
            int[] here = [.. Enumerable.Range(0, sample.Count)
                .Where(i => sample[i].Node >= site.FirstNode && sample[i].Node < site.FirstNode + site.Nodes.Count)];
            if (here.Length == 0) continue;
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            progress?.Report($"patching nodes, {done:N0} of {sample.Count:N0}");
            var effects = ExactEffects.Of(clean, site, [.. here.Select(i => site.Nodes[sample[i].Node - site.FirstNode])],
                state.Metric);
            for (var i = 0; i < here.Length; i++) exact[here[i]] = effects[i];
            done += here.Length;
        }
        return exact;
    }
}
