using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>
/// Holds approximate effects against exact ones.
/// 1. Sampled nodes are really moved, each alone, and everything after them is computed again; where transcoders stand for MLPs, in the
///    replacement model that the graph is of, and in the real one too.
/// 2. Sampled edges are really followed (<see cref="ExactEdges"/>).
/// 3. They are compared with the run's own values; those of edges that the run left out are found anew.
///    Further estimators are judged against the same exact values.
/// </summary>
internal sealed class ValidationComparison(PatchingState state, ActivationCache clean, CheckedGraph graph)
{
    private readonly Dictionary<string, double> _passes = [];

    /// <summary>What each further estimator took for the effects of all nodes, in forward passes, by name.</summary>
    public IReadOnlyDictionary<string, double> Passes => _passes;

    /// <summary>Measures the sample, and compares.</summary>
    /// <param name="own">What the run was made with; its gradients are the exact edges' g_d.</param>
    /// <param name="others">Estimators to judge as well.</param>
    /// <returns>Estimator by estimator, nodes before edges, in the sample's order; at last nodes in the real model.</returns>
    public List<ValidationCheck> Run(ValidationSample sample, JudgedEstimator own, IReadOnlyList<JudgedEstimator> others,
        IProgress<string>? progress)
    {
        state.UseGradients(own.Method, own.Estimator, own.Steps);
        NodePair[] pairs = [.. sample.Edges.Select(e => e.Pair)];
        MovedModel[] models = state.ModelOfGraph == MovedModel.Real ? [MovedModel.Real] : [state.ModelOfGraph, MovedModel.Real];
        var exactNodes = models.Select(m => (Model: m, Effects: ExactNodes(m, sample.Nodes, progress))).ToList();
        var exactEdges = new ExactEdges(state, clean, graph.Nodes)
            .Measure(pairs, done => progress?.Report($"following edges, {done:N0} of {pairs.Length:N0}"));

        progress?.Report("estimating");
        var stored = Estimates.Stored(graph.Nodes, graph.Edges);
        NodePair[] missing = [.. pairs.Where(p => !stored.Has(p))];
        var found = missing.Length == 0 ? stored : Estimates.Find(state, own, missing, graph.Nodes);
        var checks = new List<ValidationCheck>();
        Add(own.Name, stored, p => stored.Has(p) ? stored : found);
        foreach (var other in others)
        {
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            var (moved, operations) = Moved(other);
            var estimates = Estimates.Find(state, other, pairs, moved);
            _passes[other.Name] = estimates.Passes + state.InForwardPasses(operations);
            Add(other.Name, estimates, _ => estimates);
        }
        return checks;

        void Add(string name, Estimates ofNodes, Func<NodePair, Estimates> ofEdge)
        {
            AddNodes(name, ofNodes, exactNodes[0]);
            checks.AddRange(sample.Edges.Zip(exactEdges, (e, exact) => Check(e.Pair, e.Stratum, name, ofEdge(e.Pair), exact)));
            foreach (var exact in exactNodes.Skip(1)) AddNodes(name, ofNodes, exact);
        }

        void AddNodes(string name, Estimates by, (MovedModel Model, float[] Effects) exact) =>
            checks.AddRange(sample.Nodes.Zip(exact.Effects, (n, effect) => new ValidationCheck(false, n.Stratum, name, graph.Nodes[n.Node],
                null, float.NaN, float.NaN, by.Effect(n.Node), effect)
            {
                Model = exact.Model
            }));
    }

    // every node run as deep as the estimator says; null: it moves none
    private (List<CausalNode>? Nodes, long Operations) Moved(JudgedEstimator by)
    {
        if (by.Depth == 0) return (null, 0);
        state.UseGradients(by.Method, by.Estimator, by.Steps);
        var moved = new MovedNodes(state, clean, by.Estimator);
        return (moved.All(state.Effects(), by.Depth), moved.Operations);
    }

    private ValidationCheck Check(NodePair pair, Stratum? stratum, string name, Estimates by, ExactEdge exact) =>
        new(true, stratum, name, graph.Nodes[pair.Up], pair.Down == CausalEdge.Metric ? null : graph.Nodes[pair.Down], by.Change(pair),
            exact.Change, by.Effect(pair), exact.Effect)
        {
            Model = state.ModelOfGraph
        };

    private float[] ExactNodes(MovedModel model, IReadOnlyList<(int Node, Stratum? Stratum)> sample, IProgress<string>? progress)
    {
        var exact = new float[sample.Count];
        var done = 0;
        foreach (var site in state.Sites)
        {
            int[] here = [.. Enumerable.Range(0, sample.Count)
                .Where(i => sample[i].Node >= site.FirstNode && sample[i].Node < site.FirstNode + site.Nodes.Count)];
            if (here.Length == 0) continue;
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            progress?.Report($"patching nodes{(state.Model.IsReplaced ? $" in the {EnumName.Of(model)} model" : "")}, {done:N0} of "
                + $"{sample.Count:N0}");
            var effects = ExactEffects.In(model, state, clean, [.. here.Select(i => sample[i].Node)]);
            for (var i = 0; i < here.Length; i++) exact[here[i]] = effects[i];
            done += here.Length;
        }
        return exact;
    }
}
