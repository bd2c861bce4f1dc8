using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Holds a graph's exact edges against passes over the whole model in which every node is moved alone and the selected sites are
/// put back: other graphs, cut at every site, and no rows or pairs.</summary>
internal static class ExactEdgesByPasses
{
    // a change is a difference of two activations, here and there
    private const double Tolerance = 1e-4;

    /// <summary>Every edge there may be, and for every node and site the law: the effects on all nodes of the site and what switched on
    /// add up to g · Δx.</summary>
    public static void Agree(LoadedModel model, int[] tokens, int[]? patch, GraphOptions? options = null)
    {
        options = (options ?? new GraphOptions()) with { Edges = EdgeMethod.Exact };
        var graph = Random2Bundle.All(model, tokens, patch, options);
        var state = PatchingState.Run(model, tokens, patch, options);
        state.Expand();
        state.UseGradients(options.Method, options.Estimator, options.Steps);
        using var clean = state.Start();
        var edges = graph.Edges.ToDictionary(e => (e.Up, e.Down));
        var seen = 0;
        // of kl too, whose edges into the metric have no jacobian
        foreach (var pair in new SiteGraph(model).Pairs(MetricKind.Logit))
        {
            int[] ups = NodesOf(graph, pair.Up), downs = pair.Down is { } d ? NodesOf(graph, d) : [CausalEdge.Metric];
            NodePair[] asked = [.. downs.SelectMany(to => ups.Select(from => new NodePair(from, to)))];
            var exact = new ExactEdges(state, clean, graph.Nodes).Measure(asked);
            var found = asked.Select(p => edges.GetValueOrDefault((p.Up, p.Down))).ToList();
            var what = $"{pair.Up} -> {pair.Down?.Name ?? "metric"}";
            GoldenTests.Close([.. exact.Select(e => (double)e.Effect)], found.Select(e => e.Effect), Tolerance, what);
            int[] there = [.. Enumerable.Range(0, asked.Length).Where(i => found[i].Effect != 0)];
            GoldenTests.Close([.. there.Select(i => (double)exact[i].Change)], there.Select(i => found[i].Change), Tolerance,
                $"changes {what}");
            seen += there.Length;
            // a node that was really moved counts by a derivative of its own, which says nothing of Δx
            if (pair.Down is { } down && !graph.Nodes.Any(n => NodeMethods.IsMeasured(n.Method)))
            {
                AddUp(state, clean, graph, (pair.Up, down));
            }
        }
        Assert.Equal(graph.Edges.Count, seen);   // and there are no others
    }

    private static int[] NodesOf(CausalGraph graph, Site site) =>
        [.. Enumerable.Range(0, graph.Nodes.Count).Where(i => graph.Nodes[i].Site == site)];

    private static void AddUp(PatchingState state, ActivationCache clean, CausalGraph graph, (Site Up, Site Down) pair)
    {
        var ups = NodesOf(graph, pair.Up);
        var down = state.Sites.First(s => s.Site == pair.Down);
        var x = Moved(state, clean, graph, ups, pair);
        var sums = new double[graph.Nodes.Count];
        foreach (var e in graph.Edges)
        {
            if (e.Down != CausalEdge.Metric && graph.Nodes[e.Down].Site == pair.Down) sums[e.Up] += e.Effect;
        }
        foreach (var s in graph.SwitchedOn.Where(s => s.Down == pair.Down)) sums[s.Up] += s.Effect;
        var length = x.Length / (ups.Length + 1);
        double[] whole = [.. ups.Select((_, r) => Dot(down.Gradient, x.AsSpan((r + 1) * length, length), x.AsSpan(0, length)))];
        GoldenTests.Close(whole, ups.Select(u => (float)sums[u]), Tolerance, $"sums {pair.Up} -> {pair.Down}");
    }

    private static double Dot(float[] g, ReadOnlySpan<float> after, ReadOnlySpan<float> before)
    {
        double sum = 0;
        for (var i = 0; i < g.Length; i++) sum += g[i] * ((double)after[i] - before[i]);
        return sum;
    }

    // [nodes + 1, T, d], the first row unmoved
    private static float[] Moved(PatchingState state, ActivationCache clean, CausalGraph graph, int[] ups, (Site Up, Site Down) pair)
    {
        var up = state.Sites.First(s => s.Site == pair.Up);
        Site[] open = [pair.Up, pair.Down];
        using var pass = clean.Intervene(ups.Length + 1, open, [.. state.Model.Selected.Where(s => !open.Contains(s))]);
        foreach (var at in pass)
        {
            if (at.Site == pair.Down) return at.Current.ToArray();
            at.Add(ups.Select((node, i) =>
            {
                var change = new float[up.Width];
                up.NodeChange(graph.Nodes[node].Position, graph.Nodes[node].Feature, change);
                return (i + 1, graph.Nodes[node].Position, (ReadOnlyMemory<float>)change);
            }));
        }
        throw new InvalidOperationException("the pass does not stop at the downstream site");
    }
}
