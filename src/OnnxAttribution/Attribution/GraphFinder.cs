using System.Diagnostics;
using System.Numerics.Tensors;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>
/// From tokens to a graph of causes.
/// 1. One forward and backward pass gives every site and the metric's gradient there; a patch prompt adds a second pass.
/// 2. Dictionaries expand every site into active features and errors: the nodes.
/// 3. Effects: gradient times change (or integrated gradients, or real patches); the strongest nodes of each site are kept.
/// 4. Direct edges between kept nodes, one batched run per downstream site, and from each node to the metric.
/// 5. The strongest edges are kept and what no path leads from to the metric is pruned.
/// </summary>
public static class GraphFinder
{
    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="patchTokens">As many, or null for zero ablation.</param>
    /// <exception cref="AttributionException">What was asked cannot be: lengths differ, a position or token is out of range, kl with plain attribution patching.</exception>
    public static CausalGraph Find(AttributionModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        Check(model, tokens, patchTokens, options);
        var clock = new Stages();
        var calls = model.Context.Calls;
        var position = options.Position ?? tokens.Length - 1;
        var clean = ModelPass.Run(model, options.Metric, tokens, position, options.Target ?? -1, options.Foil ?? -1, options.Estimator);
        var metric = new Metric(options.Metric, position, clean.Target, clean.Foil);
        var patch = patchTokens is null ? null : ModelPass.Run(model, options.Metric, patchTokens, position, clean.Target, clean.Foil, options.Estimator);
        var operations = clean.Operations * (patch is null ? 1 : 2);
        clock.Lap("passes");

        var sites = Expand(model, clean, patch, tokens.Length);
        operations += sites.Where(s => s.Dictionary is not null).Sum(s => DictionaryEncoder.Operations(s.Dictionary!, tokens.Length) * (patch is null ? 1 : 2));
        clock.Lap("dictionaries");

        var nodes = Effects(model, sites, clean, metric, tokens, options);
        Selection.KeepStrongest(nodes, sites, options);
        clock.Lap("node effects");

        var edges = new List<CausalEdge>();
        var finder = new EdgeFinder(model, sites, nodes, tokens, options.Estimator, options.MemoryBudget);
        finder.Find(edges);
        if (options.Metric != MetricKind.Kl) MetricEdges(model, options.Estimator, sites, nodes, metric, tokens, edges);
        else if (options.Method == EffectMethod.Ig) WholeEffects(model, options.Estimator, sites, nodes, edges);
        operations += finder.Operations;
        clock.Split("cotangents", finder.CotangentSeconds, "edges");

        var violation = options is { TopNodes: null, NodeThreshold: 0, Method: EffectMethod.Atp } ? Conservation(nodes, edges) : (double?)null;
        // with kl and exact effects no gradient is anything but 0, so there is no edge, and no path to prune by
        var keptEdges = Selection.KeepEdges(nodes, edges, options is { Metric: MetricKind.Kl, Method: EffectMethod.Exact } ? options with { Prune = false } : options);
        clock.Lap("selection");
        return new CausalGraph
        {
            Metric = metric,
            CleanMetric = options.Metric == MetricKind.Kl ? 0 : clean.Metric,
            PatchMetric = patch is null ? float.NaN : options.Metric == MetricKind.Kl ? (float)metric.Of(patch.Logits, 1, clean.Logits)[0] : patch.Metric,
            TopTokens = TopTokens(clean.Logits, 10),
            Nodes = nodes,
            Edges = keptEdges,
            ConservationViolation = violation,
            Timings = clock.Seconds,
            RuntimeCalls = model.Context.Calls - calls,
            Operations = operations,
        };
    }

    private static void Check(AttributionModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        model.RequireTokens(tokens);
        if (patchTokens is not null && patchTokens.Length != tokens.Length) throw new AttributionException($"the prompt has {tokens.Length} tokens, the patch prompt {patchTokens.Length}; they must be equally long");
        if (patchTokens is not null) model.RequireTokens(patchTokens);
        if (options.Position is { } p) model.RequirePosition(p, tokens.Length);
        foreach (var (name, token) in new[] { ("--target", options.Target), ("--foil", options.Foil) })
        {
            if (token is { } t && (t < 0 || t >= model.VocabularySize)) throw new AttributionException($"{name} {t} is no token id; ids are 0 to {model.VocabularySize - 1}");
        }
        if (options is { Metric: MetricKind.Kl, Method: EffectMethod.Atp }) throw new AttributionException("--metric kl has gradient 0 at the clean run, so attribution patching would find nothing; use --method ig or --method exact");
        if (options.Steps < 1) throw new AttributionException($"--steps {options.Steps} must be at least 1");
    }

    private static List<SiteState> Expand(AttributionModel model, ModelPass clean, ModelPass? patch, int positions)
    {
        var sites = new List<SiteState>();
        for (var i = 0; i < model.Selected.Count; i++)
        {
            var site = model.Selected[i];
            var dictionary = model.DictionaryAt(i);
            Encoding Encode(float[] x) => dictionary is null ? Encoding.WithoutDictionary(x, positions) : model.Encoder.Encode(dictionary, x, positions);
            var x = clean.Sites[site.Name];
            var encoding = Encode(x);
            var patched = patch?.Sites[site.Name];
            var patchEncoding = patched is null ? null : Encode(patched);
            var state = new SiteState(site, model.SelectedValues[i], dictionary, x.Length / positions)
            {
                Clean = x,
                Patch = patched,
                CleanEncoding = encoding,
                PatchEncoding = patchEncoding,
                Gradient = clean.Gradients[site.Name],
                ErrorChange = SiteState.ErrorChangeOf(dictionary, x, encoding, patched, patchEncoding),
            };
            state.FindNodes();
            sites.Add(state);
        }
        return sites;
    }

    private static List<CausalNode> Effects(AttributionModel model, List<SiteState> sites, ModelPass clean, Metric metric, int[] tokens, GraphOptions options)
    {
        var nodes = new List<CausalNode>();
        using var run = CleanRun.Of(model, tokens, clean);
        foreach (var site in sites)
        {
            site.FirstNode = nodes.Count;
            if (options.Method == EffectMethod.Atp)
            {
                nodes.AddRange(NodeEffects.Of(site, model.Context.Threads));
                continue;
            }
            if (options.Method == EffectMethod.Ig)
            {
                using var patching = new SitePatching(model, site, clean, metric, tokens, options.Estimator, options.MemoryBudget);
                site.Gradient = patching.MeanGradient(options.Steps);
            }
            var estimated = NodeEffects.Of(site, model.Context.Threads);
            if (options.Method == EffectMethod.Exact)
            {
                var exact = ExactEffects.Of(run, site, site.Nodes, metric, options.MemoryBudget);
                for (var i = 0; i < estimated.Length; i++) estimated[i] = estimated[i] with { Effect = exact[i] };
            }
            nodes.AddRange(estimated);
        }
        return nodes;
    }

    // what each node does to the metric along paths that meet no other selected site: the gradient along these paths times the node's change
    private static void MetricEdges(AttributionModel model, Estimator estimator, List<SiteState> sites, List<CausalNode> nodes, Metric metric, int[] tokens, List<CausalEdge> edges)
    {
        var (parents, runner) = model.Head(metric.Kind, estimator);
        using var feed = ModelPass.Inputs(tokens, metric.Position, metric.Target, metric.Foil);
        foreach (var s in sites) feed.Add(s.Value.Name, s.Clean, 1, tokens.Length, s.Width);
        using var result = runner.Run(feed.Values, runner.Outputs);
        foreach (var parent in parents)
        {
            var site = sites.First(s => s.Value == parent);
            var gradient = result.Floats(parent.Name + ".grad");
            var row = new float[site.Width];
            for (var i = 0; i < site.Nodes.Count; i++)
            {
                var node = nodes[site.FirstNode + i];
                if (!node.Kept) continue;
                var g = gradient.Slice(node.Position * site.Width, site.Width);
                if (node.IsError) site.ErrorChangeAt(node.Position).CopyTo(row);
                else site.DecoderRow(node.Position, node.Feature, row);
                var along = TensorPrimitives.Dot(g, row);
                var effect = node.IsError ? along : along * (node.PatchActivation - node.Activation);
                if (effect != 0) edges.Add(new CausalEdge(site.FirstNode + i, CausalEdge.Metric, node.IsError ? float.NaN : along, effect));
            }
        }
    }

    // kl's gradient at the clean run is 0; the mean gradient of integrated steps goes along all paths, so it says what goes along direct ones only where there are no others
    private static void WholeEffects(AttributionModel model, Estimator estimator, List<SiteState> sites, List<CausalNode> nodes, List<CausalEdge> edges)
    {
        var hasDownstream = sites.SelectMany((_, i) => model.Segment(i, estimator)?.Segment.Parents.Select(p => p.Value) ?? []).ToHashSet();
        foreach (var site in sites.Where(s => !hasDownstream.Contains(s.Value)))
        {
            for (var i = site.FirstNode; i < site.FirstNode + site.Nodes.Count; i++)
            {
                var node = nodes[i];
                if (node.Kept && node.Effect != 0) edges.Add(new CausalEdge(i, CausalEdge.Metric, node.Gradient, node.Effect));
            }
        }
    }

    private static double Conservation(List<CausalNode> nodes, List<CausalEdge> edges)
    {
        var sums = new double[nodes.Count];
        foreach (var e in edges) sums[e.Up] += e.Effect;
        double worst = 0, largest = 0;
        for (var i = 0; i < nodes.Count; i++)
        {
            worst = Math.Max(worst, Math.Abs(nodes[i].Effect - sums[i]));
            largest = Math.Max(largest, Math.Abs(nodes[i].Effect));
        }
        return largest == 0 ? 0 : worst / largest;
    }

    private static List<(int, float)> TopTokens(float[] logits, int count)
    {
        var p = Metric.Logprobs(logits);
        return [.. Enumerable.Range(0, p.Length).OrderByDescending(i => p[i]).Take(count).Select(i => (i, (float)Math.Exp(p[i])))];
    }

    private sealed class Stages
    {
        private readonly Dictionary<string, double> _seconds = [];
        private long _last = Stopwatch.GetTimestamp();

        public IReadOnlyDictionary<string, double> Seconds => _seconds;

        /// <summary>Ends a stage of which a part has been timed.</summary>
        public void Split(string part, double seconds, string rest)
        {
            _seconds[part] = seconds;
            Lap(rest);
            _seconds[rest] -= seconds;
        }

        public void Lap(string stage)
        {
            _seconds[stage] = Stopwatch.GetElapsedTime(_last).TotalSeconds;
            _last = Stopwatch.GetTimestamp();
        }
    }
}
