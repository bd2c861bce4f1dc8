using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Lenses;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>Prompts through the lens: the residual stream read half layer by half layer, and what its end is the sum of.</summary>
public sealed class LensRun
{
    private readonly LoadedModel _model;
    private readonly LensRequest _request;
    private readonly bool _prependBos;

    private LensRun(LoadedModel model, LensRequest request, bool prependBos, IReadOnlyList<Lens> prompts)
    {
        (_model, _request, _prependBos, Prompts) = (model, request, prependBos, prompts);
        (Readings, Summands) = prompts is [var one] ? (one.Readings, one.Summands)
            : (LensMean.Readings(prompts), LensMean.Summands(prompts));
    }

    /// <summary>Each prompt's own, in the order that they were given.</summary>
    public IReadOnlyList<Lens> Prompts { get; }

    /// <summary>Of one prompt at every position; of many their means at the metric's position.</summary>
    public IReadOnlyList<LensReading> Readings { get; }

    /// <summary>Of one prompt; of many their means, in which a feature counts 0 where it is not active.</summary>
    public IReadOnlyList<LensSummand> Summands { get; }

    /// <summary>The metric in the model, in logits; of many prompts the mean.</summary>
    public double Value => Prompts.Average(p => p.Value);

    /// <summary>What the whole summands add up to, in logits; of many prompts the mean, NaN without summands.</summary>
    public double Sum => Prompts.Average(p => p.Sum);

    /// <summary>The largest |sum − value| of a prompt, in logits; NaN without summands.</summary>
    public double Miss => Prompts.Max(p => p.Miss);

    /// <summary>What the readings and summands are of, in words: a single token's logit is taken less the mean over the
    /// vocabulary.</summary>
    public string MetricWords => _request.Metric.Kind == MetricKind.LogitDiff ? "logit-diff" : "logit less the vocabulary's mean";

    /// <summary>The task, where there is one prompt that was typed.</summary>
    internal PromptTask? Task { get; private init; }

    /// <summary>The file that many prompts are from.</summary>
    internal string? File { get; set; }

    /// <summary>Reads one prompt.</summary>
    /// <param name="model">Stays the caller's, and must be open as long as the run is written.</param>
    /// <param name="task">The prompt, in words.</param>
    /// <param name="request">What is read.</param>
    /// <param name="progress">Gets a line of text per stage.</param>
    /// <exception cref="ArgumentNullException">There is no model, task or request.</exception>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    /// <exception cref="AttributionException">The metric is no sum of what is written to the stream, the model's graph does not say what is
    /// asked for, a position is outside of the prompt, or an activation overflows.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static LensRun Find(LoadedModel model, PromptTask task, LensRequest request, IProgress<string>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(request);
        var finder = Finder(model, request.Metric.Kind, request.Lens);
        var bos = request.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task with { PatchPrompt = null }, model.Tokenizer, bos);
        var lens = finder.Find(tokens.Clean, request.Metric with { Target = tokens.Target, Foil = tokens.Foil }, progress);
        return new LensRun(model, request, bos, [lens]) { Task = task };
    }

    /// <summary>Reads many prompts at their metrics' position, and takes the means. Every prompt needs the position that is asked for;
    /// without one each is read at its last, so that lengths may differ.</summary>
    /// <param name="tasks">One at least.</param>
    /// <inheritdoc cref="Find" path="/param"/>
    /// <inheritdoc cref="Find" path="/exception"/>
    /// <exception cref="ArgumentOutOfRangeException">There is no task.</exception>
    public static LensRun Mean(LoadedModel model, IReadOnlyList<PromptTask> tasks, LensRequest request, IProgress<string>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tasks);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentOutOfRangeException.ThrowIfZero(tasks.Count);
        TemplateTokens.Check(tasks, model.Tokenizer);
        var finder = Finder(model, request.Metric.Kind, request.Lens with { Top = 0, EveryPosition = false });
        var bos = request.PrependBos ?? model.PrependsBos;
        var lenses = new List<Lens>();
        foreach (var (i, task) in tasks.Index())
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            progress?.Report($"prompt {i + 1} of {tasks.Count}");
            try
            {
                var tokens = PromptTokens.Of(task with { PatchPrompt = null }, model.Tokenizer, bos);
                lenses.Add(finder.Find(tokens.Clean, request.Metric with { Target = tokens.Target, Foil = tokens.Foil }));
            }
            catch (OnnxAttributionException e) when (e is PromptException { IsTable: false } or AttributionException)
            {
                throw new PromptException($"prompt '{task.Id ?? $"{i + 1}"}': {e.Message}") { Settings = e.Settings };
            }
        }
        return new LensRun(model, request, bos, lenses);
    }

    /// <summary>Reads the prompt of a finished run again.</summary>
    /// <param name="run">Of one prompt.</param>
    /// <exception cref="AttributionException">As <see cref="Find"/>.</exception>
    internal static LensRun Of(LoadedModel model, PromptRunRecord run, LensRequest request, IProgress<string>? progress)
    {
        var metric = MetricOf(run, request.Metric);
        var lens = Finder(model, metric.Kind, request.Lens).Find([.. run.Tokens!], metric, progress);
        return new LensRun(model, request with { Metric = metric }, run.PrependBos ?? false, [lens])
        {
            Task = new PromptTask(run.Prompt ?? "")
        };
    }

    /// <summary>A metric of which what is left open is the run's.</summary>
    internal static MetricRequest MetricOf(PromptRunRecord run, MetricRequest asked) => asked with
    {
        Position = asked.Position ?? run.Position,
        Target = asked.Target ?? run.TargetId,
        Foil = asked.Foil ?? run.FoilId,
    };

    // the metric before the graph: it may be wrong for any model
    private static LensFinder Finder(LoadedModel model, MetricKind kind, LensOptions options)
    {
        LensFinder.RequireSum(kind);
        return new LensFinder(model, options);
    }

    /// <summary>Text of the token at a position of the one prompt.</summary>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <exception cref="ArgumentOutOfRangeException">The prompt has no such position.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing or damaged.</exception>
    public string TextAt(int position) => _model.TokenText(Prompts[0].Tokens[position]);

    /// <summary>Writes lens.json, lens.parquet, of one prompt lens_tokens.parquet, and where there are summands summands.parquet into a
    /// directory, whole or not at all.</summary>
    /// <param name="path">The directory to make; missing parents are made too.</param>
    /// <param name="mode">What is done where a lens is there already.</param>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; nothing is left behind.</exception>
    public void Write(string path, WriteMode mode = WriteMode.CreateNew) => LensDirectory.Write(path, mode == WriteMode.Replace,
        new(LensDirectory.ToObject(Record()), LensTables.Of(Readings, Summands, Prompts[0].Tokens, _model.TokenText)),
        _model.Context.Cancel);

    /// <summary>What lens.json holds.</summary>
    internal LensRecord Record()
    {
        var (isOne, first) = (Prompts.Count == 1, Prompts[0]);
        string? Text(int? token) => token is { } t ? _model.TokenText(t) : null;
        int? target = isOne ? first.Metric.Target : null;
        int? foil = isOne && first.Metric.Kind == MetricKind.LogitDiff ? first.Metric.Foil : null;
        return new LensRecord
        {
            Prompt = isOne ? Task?.Prompt : null,
            PromptsOf = File,
            Prompts = Prompts.Count,
            PrependBos = _prependBos,
            Tokens = isOne ? first.Tokens : null,
            TokenStrings = isOne ? [.. first.Tokens.Select(_model.TokenText)] : null,
            Metric = MetricWords,
            Position = isOne ? first.Metric.Position : _request.Metric.Position,
            Target = Text(target),
            TargetId = target,
            Foil = Text(foil),
            FoilId = foil,
            TopTokens = isOne ? [.. first.Next.Select(t => new TopTokenRecord(t.Token, _model.TokenText(t.Token), t.Probability))] : null,
            Scale = EnumName.Of(_request.Lens.Scale),
            Value = RecordParts.Finite(Value),
            Sum = RecordParts.Finite(Sum),
            Miss = RecordParts.Finite(Miss),
            BelowSoftCap = first.IsBelowSoftCap,
            WithoutSummands = first.WithoutSummands,
            Model = _model.Name,
            ModelPath = _model.Path,
            BundleSha256 = _model.BundleHash,
            CommandLine = _request.CommandLine,
            Program = ThisProgram.Name,
            Version = ThisProgram.Version,
        };
    }
}
