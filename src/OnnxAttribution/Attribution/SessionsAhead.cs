using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>Sessions that a graph will need are made beside its first runs, by one more thread: making one takes a single core, and waits
/// for nothing that a prompt says.</summary>
/// <remarks>At GPT-2-small's shape, two cores: 0.35 s of sessions and 0.15 s of graphs for moved nodes and edges, while the pass's own
/// session is made, and while it and the dictionaries run at the memory's speed.</remarks>
internal static class SessionsAhead
{
    /// <summary>Begins with those of a model, a metric and an estimator, once; of a prompt that is about to be run.</summary>
    /// <param name="positions">Of the prompt.</param>
    public static void Begin(LoadedModel model, GraphOptions options, int positions)
    {
        // who asked for one thread has one; what a device holds beside what runs there was never seen; a replacement's graphs have sizes
        // that its prompt's features say
        if (model.Context is { Lanes: 1, Threads: 1 } or { Device: not DeviceKind.Cpu } || model.IsReplaced) return;
        model.Ahead.Begin((options.Metric.Kind, options.Estimator, options.Edges, Moves(options)), Steps(model, options, positions));
    }

    private static bool Moves(GraphOptions options) =>
        options.RefinedNodes > 0 || options.ExactDepth > 0 || options.Method == EffectMethod.Exact;

    private static IEnumerable<Action> Steps(LoadedModel model, GraphOptions options, int positions)
    {
        var (graphs, kind, isKl) = (GradientGraphs.Of(model), options.Metric.Kind, options.Metric.Kind == MetricKind.Kl);
        if (Moves(options))
        {
            foreach (var step in MovedSteps.Of(model).Sessions(new Metric(kind, 0, 0, 0).Tokens is not null)) yield return step;
        }
        if (isKl && options.Method == EffectMethod.Exact) yield break;
        // a pass in pieces leaves no room for all of them
        if (!PassMemory.RunsWhole(model, isKl ? MetricKind.Logit : kind, options.Estimator, LocalReplacement.Sizes(positions, null)))
        {
            yield break;
        }
        for (var i = 0; i < model.SelectedSites.Count; i++)
        {
            var site = i;
            yield return () => graphs.Segment(site, options.Estimator);
        }
        if (!isKl) yield return () => graphs.Head(kind, options.Estimator);
        if (options.Edges != EdgeMethod.Exact) yield break;
        for (var i = 0; i < model.SelectedSites.Count; i++)
        {
            var site = i;
            yield return () => ExactGraphs.Of(model).At(site);
        }
    }
}
