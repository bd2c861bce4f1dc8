using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>A finished run, checked against real interventions.</summary>
public sealed class ValidationRun
{
    private readonly FinishedRun _run;
    private readonly IReadOnlyList<ValidationCheck> _checks;

    private ValidationRun(FinishedRun run, IReadOnlyList<ValidationCheck> checks, ValidationRecord record)
    {
        (_run, _checks, Record) = (run, checks, record);
    }

    /// <summary>What run.json says of it, under <c>validation</c>.</summary>
    public ValidationRecord Record { get; }

    /// <summary>Runs the prompt again and checks.</summary>
    /// <param name="run">The run to check; <see cref="Write"/> adds to it.</param>
    /// <param name="model">The model that the run was made with, cut at its sites.</param>
    /// <param name="request">How much is checked, against which estimators.</param>
    /// <param name="progress">Gets a line of text per stage.</param>
    /// <exception cref="ValidationException">The model is another than the run's,
    /// or an estimator to compare has nothing to say about the metric.</exception>
    /// <exception cref="RunDirectoryException">run.json has a token that the model has not.</exception>
    /// <exception cref="ArgumentException">The sample is below 1, or there is no estimator of a name.</exception>
    /// <exception cref="AttributionException">What the run asked for cannot be run again.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static ValidationRun Find(FinishedRun run, LoadedModel model, ValidationRequest request, IProgress<string>? progress = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(request.Sample, 1);
        var start = Stopwatch.GetTimestamp();
        var calls = model.Context.Calls;
        if (model.BundleHash != run.BundleHash) throw ValidationException.OtherModel(run.Path, model.Path);
        RecordedValues.Require(run.Path, run.Record, model);
        var others = Others(run, request, model);
        progress?.Report("running the prompt again");
        var state = PatchingState.Run(model, run.Tokens, run.PatchTokens, run.Options);
        state.Expand();
        using var clean = state.Start();
        var own = Own(run);
        var (graph, unmatched) = AsRebuilt(run.Stored, state);
        progress?.Report("drawing a sample");
        var sample = request.All
            ? ValidationSample.All(graph)
            : ValidationSample.Draw(graph, Pairs(run, model), Moving(state, graph.Nodes), request.Sample, request.Seed);
        var comparison = new ValidationComparison(state, clean, graph);
        var checks = comparison.Run(sample, own, others, progress);
        progress?.Report("moving whole sites");
        var conservation = SiteConservation.Measure(state, clean, graph.Nodes);
        var record = ValidationRecords.Of(request, new ValidationFindings([own.Name, .. others.Select(o => o.Name)], checks, conservation,
            state.PatchMetric - state.CleanMetric, unmatched) { Passes = PassesOf(run, own, comparison) });
        return new ValidationRun(run, checks, record with
        {
            RuntimeCalls = model.Context.Calls - calls,
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        });
    }

    /// <summary>Adds validation.parquet to the run, a row per check, and <see cref="Record"/> to its run.json.</summary>
    /// <param name="cancel">Stops the writing, and the waiting for another writer of the same run.</param>
    /// <exception cref="RunDirectoryException">The run cannot be written, or is another than it was when it was read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    public void Write(CancellationToken cancel = default)
    {
        var rows = ValidationRows.Of(_checks, _run.Record.Position!.Value);
        var addition = new RunAddition { Validation = Record, BegunWith = _run.Record };
        RunDirectory.Annotate(_run.Path, ValidationRow.Table, rows, addition, cancel);
        _run.Record = _run.Record with { Validation = Record };
    }

    // the run has recorded what its own effects took
    private static Dictionary<string, double> PassesOf(FinishedRun run, JudgedEstimator own, ValidationComparison comparison)
    {
        var passes = new Dictionary<string, double>(comparison.Passes);
        if (run.Record.EffectPasses is { } known) passes[own.Name] = known;
        return passes;
    }

    private static JudgedEstimator Own(FinishedRun run) =>
        new(run.Options.Method, run.Options.Estimator, run.Options.Steps, run.Options.Edges)
        {
            Depth = run.Options.ExactDepth ?? 0,
            IsRefined = run.Options.RefinedNodes > 0,
        };

    private static List<JudgedEstimator> Others(FinishedRun run, ValidationRequest request, LoadedModel model)
    {
        var own = Own(run).Name;
        var others = (request.Compare ?? [])
            .SelectMany(name => JudgedEstimator.ParseAll(name, request.Steps, model.Bundle.Manifest.NLayers))
            .DistinctBy(other => other.Name)
            .Where(other => other.Name != own)
            .ToList();
        foreach (var other in others) MoveRequest.RequireDepth(model, other.Depth, Setting.Compare);
        if (run.Options.Metric.Kind == MetricKind.Kl
            && others.FirstOrDefault(o => o.Method is EffectMethod.Atp or EffectMethod.Atpstar) is { } blind)
        {
            throw ValidationException.NoGradient(blind.Name);
        }
        return others;
    }

    // with kl and exact effects there is no gradient, so there are no edges and none was left out
    private static IReadOnlyList<SitePair> Pairs(FinishedRun run, LoadedModel model) =>
        run.Options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Exact }
            ? []
            : new SiteGraph(model).Pairs(run.Options.Metric.Kind);

    /// <summary>Which nodes move at all and lie where the metric can see them: those of which the true gradient knows.
    /// The others' effects are 0, exact or not.</summary>
    private static Func<int, bool> Moving(PatchingState state, IReadOnlyList<CausalNode> nodes)
    {
        state.UseGradients(EffectMethod.Atp, Estimator.Gradient, 0);
        var seen = state.Sites.SelectMany(s => Enumerable.Range(0, state.Tokens.Length)
            .Where(t => state.Metric.Kind == MetricKind.Kl || s.GradientAt(t).ContainsAnyExcept(0f))
            .Select(t => (s.Site, t))).ToHashSet();
        return i =>
        {
            var node = nodes[i];
            if (node.Position > state.Metric.Position || !seen.Contains((node.Site, node.Position))) return false;
            return node.IsError
                ? state.SiteAt(node.Site).ErrorChangeAt(node.Position).ContainsAnyExcept(0f)
                : node.PatchActivation != node.Activation;
        };
    }

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
        // nodes that the run has not are no part of it: nothing moves them
        foreach (var added in index.Values) nodes[added] = nodes[added] with { PatchActivation = nodes[added].Activation, Effect = 0 };
        var edges = new List<CausalEdge>(run.Edges.Length);
        foreach (var e in run.Edges.Span)
        {
            var (up, down) = (places[e.Up], e.Down == CausalEdge.Metric ? CausalEdge.Metric : places[e.Down]);
            if (up >= 0 && (down >= 0 || e.Down == CausalEdge.Metric)) edges.Add(e with { Up = up, Down = down });
        }
        return (new CheckedGraph(nodes, edges), places.Count(p => p < 0) + index.Count);
    }
}
