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
        RepeatedRun.RequireModel(run, model);
        var others = Others(run, request, model);
        using var repeated = RepeatedRun.Of(run, model, progress);
        var (state, clean, graph, own) = (repeated.State, repeated.Clean, repeated.Graph, repeated.Own);
        progress?.Report("drawing a sample");
        var sample = request.All
            ? ValidationSample.All(graph)
            : ValidationSample.Draw(graph, repeated.SitePairs, Moving(state, graph.Nodes), request.Sample, request.Seed);
        var comparison = new ValidationComparison(state, clean, graph);
        var checks = comparison.Run(sample, own, others, progress);
        progress?.Report("moving whole sites");
        var conservation = SiteConservation.Measure(state, clean, graph.Nodes);
        var found = new ValidationFindings(state.ModelOfGraph, [own.Name, .. others.Select(o => o.Name)], checks, conservation,
            repeated.Unmatched)
        {
            PatchMinusClean = state.PatchMetric - state.CleanMetric,
            Passes = PassesOf(run, own, comparison),
        };
        var record = ValidationRecords.Of(request, found);
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

    private static List<JudgedEstimator> Others(FinishedRun run, ValidationRequest request, LoadedModel model)
    {
        var own = RepeatedRun.OwnOf(run).Name;
        var others = (request.Compare ?? [])
            .SelectMany(name => JudgedEstimator.ParseAll(name, request.Steps, model.Bundle.Manifest.NLayers))
            .DistinctBy(other => other.Name)
            .Where(other => other.Name != own)
            .ToList();
        foreach (var other in others)
        {
            MoveRequest.RequireDepth(model, other.Depth, Setting.Compare);
            if (model.IsReplaced) ReplacedOptions.RequireEstimator(other.Name, other.Method, other.Estimator, other.Depth);
        }
        if (run.Options.Metric.Kind == MetricKind.Kl
            && others.FirstOrDefault(o => o.Method is EffectMethod.Atp or EffectMethod.Atpstar) is { } blind)
        {
            throw ValidationException.NoGradient(blind.Name);
        }
        return others;
    }

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
}
