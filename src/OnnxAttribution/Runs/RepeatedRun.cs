using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>A finished run whose prompt has been run again, so that its nodes can be really moved. Owns the clean run.</summary>
internal sealed class RepeatedRun : IDisposable
{
    private RepeatedRun(FinishedRun run, PatchingState state)
    {
        (State, Own, Clean) = (state, OwnOf(run), state.Start());
        (Graph, Unmatched) = AsRebuilt(run.Stored, state);
        // with kl and exact effects there is no gradient, so there are no edges and none was left out
        SitePairs = run.Options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Exact }
            ? []
            : new SiteGraph(state.Model).Pairs(run.Options.Metric.Kind);
    }

    public PatchingState State { get; }

    public ActivationCache Clean { get; }

    /// <summary>The run's nodes and edges by the indices of <see cref="State"/>.</summary>
    public CheckedGraph Graph { get; }

    /// <summary>How many nodes only one of the run and its repetition has.</summary>
    public int Unmatched { get; }

    /// <summary>Where edges of the run can be.</summary>
    public IReadOnlyList<SitePair> SitePairs { get; }

    /// <summary>What the run was made with.</summary>
    public JudgedEstimator Own { get; }

    /// <inheritdoc cref="Own"/>
    public static JudgedEstimator OwnOf(FinishedRun run) =>
        new(run.Options.Method, run.Options.Estimator, run.Options.Steps, run.Options.Edges)
        {
            Depth = run.Options.ExactDepth ?? 0,
            IsRefined = run.Options.RefinedNodes > 0,
        };

    /// <summary>Refuses another model than the run's.</summary>
    /// <exception cref="ValidationException">The model is another.</exception>
    /// <exception cref="RunDirectoryException">run.json has a token that the model has not.</exception>
    public static void RequireModel(FinishedRun run, LoadedModel model)
    {
        if (model.BundleHash != run.BundleHash) throw ValidationException.OtherModel(run.Path, model.Path);
        RecordedValues.Require(run.Path, run.Record, model);
    }

    /// <summary>Runs the prompt again.</summary>
    /// <param name="model">The run's, cut at its sites.</param>
    /// <exception cref="AttributionException">What the run asked for cannot be run again.</exception>
    public static RepeatedRun Of(FinishedRun run, LoadedModel model, IProgress<string>? progress)
    {
        progress?.Report("running the prompt again");
        var state = PatchingState.Run(model, run.Tokens, run.PatchTokens, run.Options);
        state.Expand();
        return new RepeatedRun(run, state);
    }

    public void Dispose() => Clean.Dispose();

    /// <summary>The run's nodes and edges by the indices of the sites that were found again.
    /// On another machine a feature at its threshold may have come or gone.</summary>
    private static (CheckedGraph Graph, int Unmatched) AsRebuilt(StoredRun run, PatchingState state)
    {
        var nodes = state.Effects();
        var index = Enumerable.Range(0, nodes.Count).ToDictionary(i => (nodes[i].Site.Name, nodes[i].Position, nodes[i].Feature));
        var places = new int[run.Nodes.Count];
        for (var i = 0; i < places.Length; i++)
        {
            var row = run.Nodes[i];
            if (!index.Remove((row.Site, row.Position, row.Feature), out places[i]))
            {
                places[i] = -1;
            }
            else
            {
                nodes[places[i]] = nodes[places[i]] with
                {
                    Activation = row.Activation,
                    PatchActivation = row.PatchActivation,
                    Gradient = row.Gradient,
                    Effect = row.Effect,
                    Kept = row.Kept,
                    Method = row.Method ?? NodeMethods.Attribution,
                    EffectError = row.EffectError,
                };
            }
        }
        var unmatched = places.Count(p => p < 0) + index.Count - Unlump(run, nodes, index);
        // nodes that the run has not are no part of it: nothing moves them
        foreach (var added in index.Values) nodes[added] = nodes[added] with { PatchActivation = nodes[added].Activation, Effect = 0 };
        var edges = new List<CausalEdge>(run.Edges.Length);
        foreach (var e in run.Edges.Span)
        {
            var (up, down) = (places[e.Up], e.Down == CausalEdge.Metric ? CausalEdge.Metric : places[e.Down]);
            if (up >= 0 && (down >= 0 || e.Down == CausalEdge.Metric)) edges.Add(e with { Up = up, Down = down });
        }
        return (new CheckedGraph(nodes, edges), unmatched);
    }

    // errors that are one row of the run are nodes each, kept where the row is, with effects as they are found again;
    // the row's edges are sums, and no edges of theirs
    private static int Unlump(StoredRun run, List<CausalNode> nodes, Dictionary<(string, int, int), int> index)
    {
        var lumps = run.Nodes.Where(n => n is { Position: TokenPosition.All, Feature: CausalNode.Error })
            .ToDictionary(n => n.Site, n => n.Kept);
        var members = index.Where(i => i.Key.Item3 == CausalNode.Error && lumps.ContainsKey(i.Key.Item1)).ToList();
        foreach (var (key, at) in members)
        {
            nodes[at] = nodes[at] with { Kept = lumps[key.Item1] };
            index.Remove(key);
        }
        return lumps.Count + members.Count;
    }
}
