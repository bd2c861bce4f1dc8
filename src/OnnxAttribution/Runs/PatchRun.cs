using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Patching;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Activation patching over a set of prompt pairs: which activations carry what tells the two runs apart.</summary>
public sealed class PatchRun
{
    private readonly LoadedModel _model;
    private readonly PatchRequest _request;
    private readonly IReadOnlyList<(PromptTask Task, RunPrompt Prompt, Metric Metric)> _prompts;

    private PatchRun(LoadedModel model, PatchRequest request,
        IReadOnlyList<(PromptTask Task, RunPrompt Prompt, Metric Metric)> prompts, IReadOnlyList<PatchedPair> pairs)
    {
        (_model, _request, _prompts, Pairs) = (model, request, prompts, pairs);
        (Clean, Corrupted) = (pairs.Average(p => p.Clean), pairs.Average(p => p.Corrupted));
        Scores = [.. Enumerable.Range(0, pairs[0].Scores.Count).Select(Mean)];
    }

    /// <summary>Pair by pair.</summary>
    public IReadOnlyList<PatchedPair> Pairs { get; }

    /// <summary>Over all pairs: ratios of means.</summary>
    public IReadOnlyList<PatchScore> Scores { get; }

    /// <summary>The metric of the clean runs, in the metric's unit: a mean over the pairs.</summary>
    public double Clean { get; }

    /// <summary>That of the corrupted runs, in the metric's unit.</summary>
    public double Corrupted { get; }

    /// <summary>How many tokens each prompt has, BOS counted.</summary>
    public int Positions => _prompts[0].Prompt.Clean.Length;

    /// <summary>Which kinds of activations, and which way.</summary>
    internal PatchRequest Request => _request;

    internal int RuntimeCalls { get; private init; }

    internal double Seconds { get; private init; }

    /// <summary>Runs both prompts of each pair, and patches.</summary>
    /// <param name="model">Any; its selected sites do not matter.</param>
    /// <param name="prompts">Each with a patch prompt, the corrupted one, of as many tokens; all of one length.</param>
    /// <param name="request">What is patched and measured.</param>
    /// <param name="progress">Gets a line of text per hook.</param>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used, one has no patch prompt, or their lengths differ.
    /// </exception>
    /// <exception cref="AttributionException">The model has no such hook; there is no such position; the metric is the same in the clean
    /// runs as in the corrupted ones, so that no score is defined; or kl was to be estimated at the clean run, where its gradient is 0.
    /// </exception>
    /// <exception cref="ArgumentNullException">There is no model.</exception>
    /// <exception cref="Tokenizers.TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="ObjectDisposedException">The model is disposed.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static PatchRun Find(LoadedModel model, IReadOnlyList<PromptTask> prompts, PatchRequest request,
        IProgress<string>? progress = null)
    {
        var (start, calls) = (Stopwatch.GetTimestamp(), model.Context.Calls);
        if (request is { Estimate: true, Metric: MetricKind.Kl, Direction: PatchDirection.Noising })
        {
            throw new AttributionException("the metric kl has gradient 0 at the clean run, which noising patches, so there is no estimate; "
                + "take another metric, or measure only")
            {
                Settings = [Setting.Metric]
            };
        }
        var bos = request.PrependBos ?? model.PrependsBos;
        List<(PromptTask Task, RunPrompt Prompt)> pairs = [.. prompts.Select((t, i) => (t, RunPrompt.Of(t, i, model.Tokenizer, bos)))];
        PatchPairs.Check(pairs.Select(p => p.Prompt).ToList());
        var places = PatchPlaces.Of(model, request.What, pairs[0].Prompt.Clean.Length, request.ByPosition);
        using var estimate = request.Estimate
            ? new PatchEstimate(model, request.Metric, [.. places.Select(p => p.Hook).Distinct()]) : null;
        var found = pairs.Select((p, i) => Patched(model, p.Prompt, (request, places, estimate),
            done => progress?.Report($"patching {(pairs.Count == 1 ? "" : $"prompt {i + 1} of {pairs.Count}, ")}"
                + $"{done:N0} of {places.Count:N0} places"))).ToList();
        var run = new PatchRun(model, request, [.. pairs.Zip(found, (p, f) => (p.Task, p.Prompt, f.Metric))],
            [.. found.Select(f => f.Pair)])
        {
            RuntimeCalls = model.Context.Calls - calls,
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        };
        if (Divides(run.Clean, run.Corrupted)) return run;
        throw new AttributionException($"the metric is {Number(run.Clean)} in the clean runs and {Number(run.Corrupted)} in the "
            + "corrupted ones, so that no score is defined; take prompts whose answers differ, or another metric")
        {
            Settings = [Setting.Metric]
        };
    }

    /// <summary>Text of the token at a position where all clean prompts have the same; null where they differ.</summary>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <exception cref="ArgumentOutOfRangeException">The prompts have no such position.</exception>
    /// <exception cref="Tokenizers.TokenizerException">The model's tokenizer is missing or damaged.</exception>
    public string? TokenAt(int position)
    {
        var first = _prompts[0].Prompt.Clean[position];
        return _prompts.All(p => p.Prompt.Clean[position] == first && p.Prompt.Patch![position] == first)
            || _prompts.Count == 1 ? _model.TokenText(first) : null;
    }

    /// <summary>Writes a directory, whole or not at all: patching.parquet, a row for each place, of each pair and of the mean, and
    /// patching.json.</summary>
    /// <param name="path">The directory to make; missing parents are made too.</param>
    /// <param name="mode">What is done where a sweep is there already.</param>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written; nothing is left behind.</exception>
    /// <exception cref="Tokenizers.TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token id is negative, as no prompt's is.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; nothing is left behind.</exception>
    public void Write(string path, WriteMode mode = WriteMode.CreateNew) =>
        PatchDirectory.Write(path, mode == WriteMode.Replace, Record(), RowTable.Of(Rows()), _model.Context.Cancel);

    /// <summary>What patching.json says.</summary>
    internal PatchRecord Record() => new()
    {
        What = [.. _request.What.Select(EnumName.Of)],
        ByPosition = _request.ByPosition,
        Direction = EnumName.Of(_request.Direction),
        Estimate = _request.Estimate,
        Metric = Metric.NameOf(_request.Metric),
        Position = _prompts[0].Metric.Position,
        CleanMetric = Clean,
        CorruptedMetric = Corrupted,
        PrependBos = _request.PrependBos ?? _model.PrependsBos,
        Tokens = [.. Enumerable.Range(0, Positions).Select(TokenAt)],
        Prompts = [.. _prompts.Zip(Pairs, (p, pair) => new PatchedPromptRecord(pair.Id, p.Task.Prompt, p.Task.PatchPrompt!,
            TextOf(p.Metric, p.Metric.Target), p.Metric.Kind == MetricKind.LogitDiff ? TextOf(p.Metric, p.Metric.Foil) : null, pair.Clean,
            pair.Corrupted))],
        RuntimeCalls = RuntimeCalls,
        Seconds = Seconds,
        Model = _model.Name,
        ModelPath = _model.Path,
        BundleSha256 = _model.BundleHash,
        Program = ThisProgram.Name,
        Version = ThisProgram.Version,
        CommandLine = _request.CommandLine,
    };

    private string? TextOf(Metric metric, int token) => metric.Kind == MetricKind.Kl ? null : _model.TokenText(token);

    private IEnumerable<PatchRow> Rows()
    {
        foreach (var score in Scores) yield return Row(score, null);
        foreach (var pair in Pairs)
        {
            foreach (var score in pair.Scores) yield return Row(score, pair.Id);
        }
    }

    private PatchRow Row(PatchScore score, string? prompt) => new(EnumName.Of(score.Place.What), score.Place.Hook, score.Place.Layer,
        score.Place.Head, score.Place.Position, score.Place.Position is { } t ? TokenAt(t) : null, prompt, score.Score, score.Metric,
        score.EstimatedScore);

    private PatchScore Mean(int index)
    {
        var (from, to) = _request.Direction == PatchDirection.Denoising ? (Corrupted, Clean) : (Clean, Corrupted);
        var metric = Pairs.Average(p => p.Scores[index].Metric);
        var estimate = Pairs.Average(p => p.Scores[index].EstimatedChange);
        return new PatchScore(Pairs[0].Scores[index].Place, metric, (metric - from) / (to - from), estimate / (to - from))
        {
            EstimatedChange = estimate
        };
    }

    private static (PatchedPair Pair, Metric Metric) Patched(LoadedModel model, RunPrompt prompt,
        (PatchRequest Request, IReadOnlyList<PatchPlace> Places, PatchEstimate? Estimate) asked, Action<int> report)
    {
        var (request, places, estimate) = asked;
        using var clean = ActivationCache.Of(model, prompt.Clean);
        using var corrupted = ActivationCache.Of(model, prompt.Patch!);
        var metric = new MetricRequest(request.Metric, request.Position, prompt.Target, prompt.Foil).Choose(clean);
        var reference = clean.Logits(metric.Position).ToArray();
        var (patched, source) = request.Direction == PatchDirection.Denoising ? (corrupted, clean) : (clean, corrupted);
        var (from, to) = (new PatchSweep(patched, source, metric, reference), new PatchSweep(source, patched, metric, reference).Base);
        var values = from.Run(places, report);
        var changes = estimate?.Of(patched, source, (metric, reference), places);
        var range = Divides(to, from.Base) ? to - from.Base : double.NaN;
        var scores = places.Select((p, i) => new PatchScore(p, values[i], (values[i] - from.Base) / range,
            (changes?[i] ?? double.NaN) / range)
        {
            EstimatedChange = changes?[i] ?? double.NaN
        });
        var (cleanMetric, other) = patched == clean ? (from.Base, to) : (to, from.Base);
        return (new PatchedPair(prompt.Id, cleanMetric, other, [.. scores]), metric);
    }

    // what float32 leaves of two equal metrics is no denominator
    private static bool Divides(double a, double b) => Math.Abs(a - b) > 1e-5 * (Math.Abs(a) + Math.Abs(b));

    private static string Number(double value) => value.ToString("G4", System.Globalization.CultureInfo.InvariantCulture);
}
