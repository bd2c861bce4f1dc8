using OnnxAttribution.Attribution;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>
/// The naive algorithm, made fast: every active feature of every selected site is ablated,
/// and what that does to the features of the next selected sites is measured (Udell 2024).
/// 1. One clean run, each site expanded by its dictionary: only active features are ablated, as ablating another changes nothing.
/// 2. Ablations of one site run side by side, from that site on, and only as far as the next selected site: no pass begins at the tokens.
/// 3. Only places that an ablation has reached go through the encoder downstream;
///    of each pair of sites only the strongest edges stay in memory.
/// 4. Edges on no path of the wanted length go; what is left is printed as chains.
/// </summary>
/// <remarks>An edge is U → D with every other selected site held at its clean value.
/// Row 0 of each pass is left as it is and taken off, so that rounding cancels. Error nodes are not ablated.</remarks>
public static class AblationFinder
{
    private const int TopTokens = 10, MostChains = 12;

    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="progress">Told which site is worked on.</param>
    /// <exception cref="AttributionException">What was asked cannot be:
    /// no selected site has a dictionary, a position or token is out of range.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static AblationGraph Find(LoadedModel model, int[] tokens, AblationOptions options, IProgress<string>? progress = null)
    {
        Check(model, tokens, options);
        var clock = new StageClock();
        var calls = model.Context.Calls;
        using var clean = ActivationCache.Of(model, tokens);
        var metric = options.Metric.Choose(clean);
        var logits = clean.Logits(metric.Position).ToArray();
        clock.Record("clean run");

        var sites = new SiteFeatures?[model.Selected.Count];
        var operations = 0L;
        for (var i = 0; i < sites.Length; i++)
        {
            if (model.DictionaryAt(i) is not { } dictionary) continue;
            var site = model.Selected[i];
            sites[i] = new SiteFeatures(site, dictionary,
                model.Encoder.Encode(dictionary, clean[site.Name].ToArray(), tokens.Length), options);
            operations += DictionaryEncoder.Operations(dictionary, tokens.Length);
        }
        clock.Record("dictionaries");

        var pairs = new SiteGraph(model);
        var passes = new FeatureAblation(clean, pairs, options, new LogitReader(metric, logits, model.Context.Threads), metric.Position, clock);
        var graph = new AblationAssembly(sites, options, pairs.LongestPath > 0);
        for (var i = 0; i < sites.Length; i++)
        {
            if (sites[i] is not { } site) continue;
            var edges = pairs.Children(i)
                .Where(d => sites[d] is not null)
                .ToDictionary(d => d, _ => new StrongestEdges(options.TopEdges, options.Threshold));
            var moved = new List<NodeTokenChange>();
            var (effects, direct) = passes.Run(i, site, edges, moved,
                done => progress?.Report($"ablating {site.Site}: {done:N0} of {site.Nodes.Count:N0}"));
            graph.Add(i, effects, direct, edges, moved);
            clock.Record("selection");
        }
        var minPath = options.MinPath ?? Math.Clamp(pairs.LongestPath, 1, 2);
        var (nodes, kept, chains) = graph.Select(minPath, MostChains);
        clock.Record("selection");
        return new AblationGraph
        {
            Metric = metric,
            CleanMetric = (float)metric.Of(logits, 1, logits)[0],
            TopTokens = Metric.Top(logits, TopTokens),
            Nodes = nodes,
            Edges = kept,
            Tokens = graph.Moved,
            Chains = chains,
            MinPath = minPath,
            Ablated = sites.Sum(s => s?.Nodes.Count ?? 0),
            EdgesSeen = graph.Seen,
            Timings = clock.Seconds,
            RuntimeCalls = model.Context.Calls - calls,
            Operations = operations + passes.Operations,
        };
    }

    private static void Check(LoadedModel model, int[] tokens, AblationOptions options)
    {
        model.RequireTokens(tokens);
        if (options.Metric.Position is { } p) model.RequirePosition(p, tokens.Length);
        if (!float.IsFinite(options.Coefficient))
        {
            throw new AttributionException($"--coefficient {options.Coefficient} is no finite number");
        }
        if (options.MinPath < 1) throw new AttributionException($"--min-path {options.MinPath} must be at least 1");
        if (!Enumerable.Range(0, model.Selected.Count).Any(i => model.DictionaryAt(i) is not null))
        {
            throw new AttributionException(
                "none of the selected sites has a dictionary, so there is no feature to ablate; choose others with --sites");
        }
    }
}
