using OnnxAttribution.Attribution;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
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
internal static class AblationFinder
{
    private const int TopTokens = 10, MostChains = 12;

    /// <summary>Ablates every active feature of one prompt.</summary>
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
        var sites = Enumerable.Range(0, model.Selected.Count)
            .Select(i => model.SelectedSites[i].Dictionary is null ? null : new SiteFeatures(clean, i, options)).ToArray();
        clock.Record("dictionaries");
        var readers = new SiteGraph(model);
        var ablation = new FeatureAblation(clean, readers, options, new LogitReader(metric, logits, model.Context.Threads), clock);
        var assembly = new AblationAssembly(sites, options, readers.LongestPath > 0);
        foreach (var site in sites.OfType<SiteFeatures>())
        {
            assembly.Add(ablation.Run(site, done => progress?.Report($"ablating {site.Site}: {done:N0} of {site.Nodes.Length:N0}")));
            clock.Record("selection");
        }
        var graph = assembly.Select(options.MinPath ?? Math.Clamp(readers.LongestPath, 1, 2), MostChains);
        clock.Record("selection");
        return new AblationGraph
        {
            Metric = metric,
            CleanMetric = (float)metric.Evaluate(logits, 1, logits)[0],
            TopTokens = Metric.Top(logits, TopTokens),
            Probabilities = metric.Probabilities(logits),
            Nodes = graph.Nodes,
            Edges = graph.Edges,
            Tokens = graph.Tokens,
            Chains = graph.Chains,
            MinPath = graph.MinPath,
            Ablated = sites.Sum(s => s?.Nodes.Length ?? 0),
            EdgesSeen = assembly.Seen,
            Timings = clock.Seconds,
            RuntimeCalls = model.Context.Calls - calls,
            Operations = Encoding(model, tokens.Length) + ablation.Operations,
        };
    }

    // operations that encode the clean run
    private static long Encoding(LoadedModel model, int positions) => Enumerable.Range(0, model.Selected.Count)
        .Sum(i => model.SelectedSites[i].Dictionary is { } dictionary ? DictionaryEncoder.Operations(dictionary, positions) : 0);

    private static void Check(LoadedModel model, int[] tokens, AblationOptions options)
    {
        model.RequireTokens(tokens);
        if (options.Metric.Position is { } p) model.RequirePosition(p, tokens.Length);
        if (!float.IsFinite(options.Coefficient))
        {
            throw new AttributionException($"the coefficient cannot be {options.Coefficient}; give a finite number, such as 0 or 0.5")
            {
                Settings = [Setting.Coefficient]
            };
        }
        if (options.MinPath < 1)
        {
            throw new AttributionException($"the least path cannot have {options.MinPath} edges; give at least 1")
            {
                Settings = [Setting.MinPath]
            };
        }
        if (!Enumerable.Range(0, model.Selected.Count).Any(i => model.SelectedSites[i].Dictionary is not null))
        {
            throw new AttributionException(
                "none of the selected sites has a dictionary, so there is no feature to ablate; select sites that have one")
            {
                Settings = [Setting.Sites]
            };
        }
    }
}
