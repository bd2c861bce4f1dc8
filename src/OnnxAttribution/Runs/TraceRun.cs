using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Lenses;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>What is followed through the residual stream.</summary>
/// <param name="Trace">Which direction, and what is told of it.</param>
/// <param name="Metric">A logit or a logit difference, which tokens' directions are those of.</param>
/// <param name="PrependBos">Whether the prompt gets a BOS; null: as the dictionaries at the selected sites were trained.</param>
/// <param name="CommandLine">The command to write into trace.json; null: none.</param>
public sealed record TraceRequest(StreamTraceOptions Trace, MetricRequest Metric = default, bool? PrependBos = null,
    string? CommandLine = null);

/// <summary>A direction followed through the residual stream of one prompt: where it is written in, and where scrubbed out.</summary>
public sealed class TraceRun
{
    private readonly LoadedModel _model;
    private readonly TraceRequest _request;
    private readonly string _prompt;
    private readonly bool _prependBos;
    private readonly Metric _metric;

    private TraceRun(LoadedModel model, TraceRequest request, (string Text, bool Bos) prompt, (StreamTrace Trace, Metric Metric) found)
    {
        (_model, _request, (_prompt, _prependBos)) = (model, request, prompt);
        (Trace, _metric) = found;
    }

    /// <summary>What was found.</summary>
    public StreamTrace Trace { get; }

    /// <summary>Follows a direction through one prompt.</summary>
    /// <param name="model">Stays the caller's, and must be open as long as the run is written.</param>
    /// <param name="task">The prompt, in words; its target and foil say what tokens' directions are of.</param>
    /// <param name="request">What is followed.</param>
    /// <param name="progress">Gets a line of text per stage.</param>
    /// <exception cref="ArgumentNullException">There is no model, task or request.</exception>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    /// <exception cref="AttributionException">There is no such direction, the model's graph does not say what is asked for, a position is
    /// outside of the prompt, or an activation overflows.</exception>
    /// <exception cref="BundleException">The model has no such site.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static TraceRun Find(LoadedModel model, PromptTask task, TraceRequest request, IProgress<string>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(request);
        LensFinder.RequireSum(request.Metric.Kind);
        var bos = request.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task with { PatchPrompt = null }, model.Tokenizer, bos);
        var metric = request.Metric with { Target = tokens.Target, Foil = tokens.Foil };
        return new TraceRun(model, request, (task.Prompt, bos), new TraceFinder(model, request.Trace).Find(tokens.Clean, metric, progress));
    }

    /// <summary>Follows a direction through the prompt of a finished run.</summary>
    /// <param name="run">Of one prompt.</param>
    /// <exception cref="AttributionException">As <see cref="Find"/>.</exception>
    internal static TraceRun Of(LoadedModel model, PromptRunRecord run, TraceRequest request, IProgress<string>? progress)
    {
        LensFinder.RequireSum(request.Metric.Kind);
        var found = new TraceFinder(model, request.Trace).Find([.. run.Tokens!], LensRun.MetricOf(run, request.Metric), progress);
        return new TraceRun(model, request, (run.Prompt ?? "", run.PrependBos ?? false), found);
    }

    /// <summary>Text of the token at a position.</summary>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <exception cref="ArgumentOutOfRangeException">The prompt has no such position.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing or damaged.</exception>
    public string TextAt(int position) => _model.TokenText(Trace.Tokens[position]);

    /// <summary>Writes trace.json, trace.parquet, and where there are heads or features trace_heads.parquet and trace_features.parquet into
    /// a directory, whole or not at all.</summary>
    /// <param name="path">The directory to make; missing parents are made too.</param>
    /// <param name="mode">What is done where a trace is there already.</param>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; nothing is left behind.</exception>
    public void Write(string path, WriteMode mode = WriteMode.CreateNew) =>
        TraceDirectory.Write(path, mode == WriteMode.Replace, new(TraceDirectory.ToObject(Record()), Tables()), _model.Context.Cancel);

    /// <summary>What trace.json holds.</summary>
    internal TraceRecord Record()
    {
        var isOfToken = Trace.Along is StreamDirection.Target or StreamDirection.Foil or StreamDirection.OfMetric;
        var isDifference = Trace.Along == StreamDirection.OfMetric && _metric.Kind == MetricKind.LogitDiff;
        return new TraceRecord
        {
            Prompt = _prompt,
            PrependBos = _prependBos,
            Tokens = Trace.Tokens,
            TokenStrings = [.. Trace.Tokens.Select(_model.TokenText)],
            Along = Trace.Along,
            Target = isOfToken ? _model.TokenText(Trace.Along == StreamDirection.Foil ? _metric.Foil : _metric.Target) : null,
            Foil = isDifference ? _model.TokenText(_metric.Foil) : null,
            Centred = Trace.IsCentred,
            Position = _metric.Position,
            Cosine = _request.Trace.Cosine,
            Miss = RecordParts.Finite(Trace.Miss),
            Model = _model.Name,
            ModelPath = _model.Path,
            BundleSha256 = _model.BundleHash,
            CommandLine = _request.CommandLine,
            Program = ThisProgram.Name,
            Version = ThisProgram.Version,
        };
    }

    private Dictionary<string, StoredTable> Tables()
    {
        string[] texts = [.. Trace.Tokens.Select(_model.TokenText)];
        var tables = new Dictionary<string, StoredTable>
        {
            [TraceRow.Table] = RowTable.Of(Trace.Steps.Select(s =>
                new TraceRow(s.Layer, s.Position, texts[s.Position], s.Before, s.Attn, s.Mlp, s.After))),
        };
        if (Trace.Heads.Count > 0)
        {
            tables[TraceHeadRow.Table] = RowTable.Of(Trace.Heads.Select(h => new TraceHeadRow(h.Layer, h.Head, h.Position, h.Value)));
        }
        if (Trace.Features.Count > 0)
        {
            tables[TraceFeatureRow.Table] = RowTable.Of(Trace.Features.SelectMany(f =>
                f.Activations.Select((a, p) => new TraceFeatureRow(f.Site, f.Feature, f.Cosine, p, a))));
        }
        return tables;
    }
}
