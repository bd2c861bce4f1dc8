using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>
/// How large what a graph has left out can be.
/// 1. A simple random sample of the dropped nodes is really patched, each alone: that bounds the share above a threshold
///    (<see cref="SampledShare"/>). Nodes whose effect is exact already are known.
/// 2. Random subsets of those that are left are really patched, each at once (<see cref="MovedSubsets"/>): that bounds every one of them
///    (<see cref="SubsetInterval"/>). The sparsest subsets count: they are closest to patching nodes alone. Where so few are left that
///    they can all be patched, they are.
/// 3. A simple random sample of the pairs of nodes that have a direct path and no edge is really followed (<see cref="ExactEdges"/>).
/// </summary>
internal sealed class CertificateFinder(PatchingState state, ActivationCache clean, CheckedGraph graph, CertificatePlan plan)
{
    private readonly Random _random = new(plan.Seed);
    private readonly List<CertificateCheck> _checks = [];
    private readonly List<SubsetSize> _sizes = [];
    private int _rows;

    /// <summary>Measures.</summary>
    /// <param name="sitePairs">Where edges can be.</param>
    /// <param name="own">What the run was made with; its gradients are the edges' g_d.</param>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public Certificate Find(IReadOnlyList<SitePair> sitePairs, JudgedEstimator own, IProgress<string>? progress)
    {
        state.UseGradients(own.Method, own.Estimator, own.Steps);
        progress?.Report("patching dropped nodes");
        var nodes = Nodes(progress);
        progress?.Report("following dropped edges");
        return new Certificate(nodes, Edges(sitePairs), _sizes, _checks, _rows);
    }

    private MissedBound? Nodes(IProgress<string>? progress)
    {
        int[] dropped = [.. Indices(i => !graph.Nodes[i].Kept && CanAct(i))];
        if (dropped.Length == 0) return null;
        int[] known = [.. dropped.Where(i => graph.Nodes[i].Method == NodeMethods.Exact)];
        int[] open = [.. dropped.Except(known)];
        _random.Shuffle(open);
        // as many rows as sample and subsets together would take measure the rest
        var count = open.Length <= 2L * plan.Samples ? open.Length : plan.Samples;
        var exact = Measured(open[..count]);
        var found = MissedBound.Of(dropped.Length, [.. known.Select(i => Math.Abs((double)graph.Nodes[i].Effect))],
            [.. exact.Select(e => Math.Abs((double)e))], plan.Threshold ?? Smallest());
        if (count == open.Length) return found;
        progress?.Report("patching subsets of dropped nodes");
        return found with { Bound = Math.Max(found.Largest, Subsets([.. open[count..].Order()])) };
    }

    private float[] Measured(int[] nodes)
    {
        var exact = ExactEffects.Of(state, clean, nodes);
        _rows += nodes.Length;
        _checks.AddRange(nodes.Zip(exact, (i, e) => new CertificateCheck(false, graph.Nodes[i], null, double.NaN, 1,
            graph.Nodes[i].Effect, e)));
        return exact;
    }

    // sizes falling, so that the last is the sparsest
    private double Subsets(int[] nodes)
    {
        var largest = nodes.Max(i => Math.Abs((double)graph.Nodes[i].Effect));
        var sizes = SubsetInterval.Plan(nodes.Length, plan.Samples);
        for (var k = 1; k <= sizes.Length; k++)
        {
            var density = SubsetInterval.Density(k);
            int[][] subsets = [.. Enumerable.Range(0, sizes[k - 1])
                .Select(_ => nodes.Where(_ => _random.NextDouble() < density).ToArray())];
            var exact = new MovedSubsets(state, clean).Effects(subsets);
            _rows += subsets.Length;
            var estimates = subsets.Select(s => s.Sum(i => (double)graph.Nodes[i].Effect)).ToArray();
            _checks.AddRange(subsets.Select((s, n) => new CertificateCheck(false, null, null, density, s.Length, (float)estimates[n],
                exact[n])));
            _sizes.Add(new SubsetSize(density, nodes.Length * density, subsets.Length,
                largest + SubsetInterval.Length(exact.Zip(estimates, (e, a) => e - a), density)));
        }
        return _sizes[^1].Bound;
    }

    private MissedBound? Edges(IReadOnlyList<SitePair> sitePairs)
    {
        var dropped = new DroppedPairs(graph, sitePairs, Indices(CanAct), Indices(CanBeReached), state.Metric.Position);
        if (dropped.Count == 0) return null;
        var pairs = dropped.Draw(plan.Samples, _random);
        var exact = new ExactEdges(state, clean, graph.Nodes).Measure(pairs);
        _rows += pairs.Select(p => p.Up).Distinct().Count();
        _checks.AddRange(pairs.Zip(exact, (p, e) => new CertificateCheck(true, graph.Nodes[p.Up],
            p.Down == CausalEdge.Metric ? null : graph.Nodes[p.Down], double.NaN, 1, float.NaN, e.Effect)));
        var smallest = graph.Edges.Select(e => Math.Abs((double)e.Effect)).DefaultIfEmpty(0).Min();
        return MissedBound.Of(dropped.Count, [], [.. exact.Select(e => Math.Abs((double)e.Effect))], plan.Threshold ?? smallest);
    }

    private IEnumerable<int> Indices(Func<int, bool> where) => Enumerable.Range(0, graph.Nodes.Count).Where(where);

    // what stays as it is, and what lies behind the metric's position, does nothing
    private bool CanAct(int index)
    {
        var node = graph.Nodes[index];
        return node.Position <= state.Metric.Position && (node.IsError
            ? state.SiteAt(node.Site).ErrorChangeAt(node.Position).ContainsAnyExcept(0f)
            : node.PatchActivation != node.Activation);
    }

    // g_d is a factor of an edge's effect; what of a site cannot be an end at all SitePair says
    private bool CanBeReached(int index)
    {
        var node = graph.Nodes[index];
        return node.Position <= state.Metric.Position && (node.IsError || node.Derivative != 0);
    }

    // errors are kept however weak they are, so features say where the line is
    private double Smallest()
    {
        var kept = graph.Nodes.Where(n => n.Kept).ToList();
        return kept.Where(n => !n.IsError).DefaultIfEmpty(kept.MinBy(n => Math.Abs(n.Effect)))
            .Min(n => Math.Abs((double)(n?.Effect ?? 0)));
    }
}
