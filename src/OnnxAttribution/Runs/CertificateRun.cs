using System.Diagnostics;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>How large what a finished run has left out can be.</summary>
public sealed class CertificateRun
{
    private readonly FinishedRun _run;
    private readonly IReadOnlyList<CertificateCheck> _checks;

    private CertificateRun(FinishedRun run, IReadOnlyList<CertificateCheck> checks, CertificateRecord record) =>
        (_run, _checks, Record) = (run, checks, record);

    /// <summary>What run.json says of it, under <c>certificate</c>.</summary>
    public CertificateRecord Record { get; }

    /// <summary>Runs the prompt again and patches what was dropped.</summary>
    /// <param name="run">The run; <see cref="Write"/> adds to it.</param>
    /// <param name="model">The model that the run was made with, cut at its sites.</param>
    /// <param name="request">How much is patched, and what counts as missed.</param>
    /// <param name="progress">Gets a line of text per stage.</param>
    /// <exception cref="ValidationException">The model is another than the run's, the run has dropped nothing, or what was asked
    /// cannot be.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The seed is below 0.</exception>
    /// <exception cref="RunDirectoryException">run.json has a token that the model has not.</exception>
    /// <exception cref="AttributionException">What the run asked for cannot be run again.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static CertificateRun Find(FinishedRun run, LoadedModel model, CertificateRequest request, IProgress<string>? progress = null)
    {
        var start = Stopwatch.GetTimestamp();
        var calls = model.Context.Calls;
        Check(request);
        RepeatedRun.RequireModel(run, model);
        using var repeated = RepeatedRun.Of(run, model, progress);
        var plan = new CertificatePlan(request.Samples, request.Seed, request.Threshold);
        var found = new CertificateFinder(repeated.State, repeated.Clean, repeated.Graph, plan)
            .Find(repeated.SitePairs, repeated.Own, progress);
        if (found is { Nodes: null, Edges: null }) throw ValidationException.NothingDropped(run.Path);
        return new CertificateRun(run, found.Checks, new CertificateRecord
        {
            Samples = request.Samples,
            Seed = request.Seed,
            Model = EnumName.Of(repeated.State.ModelOfGraph),
            Confidence = SampledShare.Confidence,
            Nodes = Of(found.Nodes),
            Edges = Of(found.Edges),
            Subsets = [.. found.Sizes.Select(s => new SubsetRecord
            {
                Density = s.Density,
                Nodes = s.Nodes,
                Rows = s.Rows,
                Bound = s.Bound,
            })],
            UnmatchedNodes = repeated.Unmatched,
            Rows = found.Rows,
            RuntimeCalls = model.Context.Calls - calls,
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        });
    }

    /// <summary>Adds certificate.parquet to the run, a row per check, and <see cref="Record"/> to its run.json.</summary>
    /// <param name="cancel">Stops the writing, and the waiting for another writer of the same run.</param>
    /// <exception cref="RunDirectoryException">The run cannot be written, or is another than it was when it was read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    public void Write(CancellationToken cancel = default)
    {
        var addition = new RunAddition { Certificate = Record, BegunWith = _run.Record };
        RunDirectory.Annotate(_run.Path, CertificateRow.Table, Rows(), addition, cancel);
        _run.Record = _run.Record with { Certificate = Record };
    }

    private StoredTable Rows() => RowTable.Of(_checks.Select(c =>
    {
        // into the metric as in edges.parquet
        (string? Site, int? Position, int? Feature) down = !c.IsEdge ? (null, null, null)
            : c.Down is { } d ? (d.Site.Name, d.Position, d.Feature)
            : (RunNames.MetricSite, _run.Record.Position, null);
        return new CertificateRow(c.IsEdge ? "edge" : c.Up is null ? "subset" : "node", c.Up?.Site.Name, c.Up?.Position, c.Up?.Feature,
            down.Site, down.Position, down.Feature, c.Density, c.Nodes, c.ApproxEffect, c.ExactEffect)
        {
            Model = Record.Model!
        };
    }));

    private static void Check(CertificateRequest request)
    {
        var least = SubsetInterval.LeastRows(1);
        if (request.Samples < least) throw ValidationException.TooFewSamples(request.Samples, least);
        if (request.Threshold is { } threshold && !(threshold >= 0 && float.IsFinite(threshold)))
        {
            throw ValidationException.NoThreshold(threshold);
        }
        ArgumentOutOfRangeException.ThrowIfNegative(request.Seed, nameof(request));
    }

    private static MissedRecord? Of(MissedBound? bound) => bound is null ? null : new MissedRecord
    {
        Dropped = bound.Dropped,
        Measured = bound.Measured,
        Threshold = bound.Threshold,
        Above = bound.Above,
        ShareBound = bound.ShareBound,
        Largest = bound.Largest,
        LargerShareBound = bound.LargerShareBound,
        Bound = bound.Bound,
    };
}
