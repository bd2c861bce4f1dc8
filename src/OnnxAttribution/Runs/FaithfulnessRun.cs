using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Faithfulness curves of a run's nodes, over a set of prompts.</summary>
internal sealed class FaithfulnessRun
{
    private FaithfulnessRun()
    {
    }

    public required string Directory { get; init; }

    /// <summary>run.json, as it was read.</summary>
    internal RunRecord? Record { get; init; }

    public required MetricKind Metric { get; init; }
    public required FaithfulnessRequest Request { get; init; }
    public required IReadOnlyList<AblationKind> Kinds { get; init; }

    /// <summary>Tokens that the means are over; 0 without.</summary>
    public required int MeanPositions { get; init; }

    /// <summary>Prompt by prompt, ablation by ablation, rule by rule, sizes ascending.</summary>
    public required IReadOnlyList<(string Id, IReadOnlyList<FaithfulnessPoint> Points)> Prompts { get; init; }

    public IReadOnlyList<FaithfulnessMean> Means => FaithfulnessMean.Over(Prompts.SelectMany(p => p.Points));

    /// <summary>Curves of prompts for which m(M) = m(∅), so that the ratios mean nothing.</summary>
    public int Undefined =>
        Prompts.Sum(p => p.Points.Where(q => double.IsNaN(q.Faithfulness)).Select(q => (q.Ablation, q.Errors)).Distinct().Count());

    /// <param name="source">The run.</param>
    /// <param name="tasks">null: the run's own prompt, or those of the runs that it was merged from.</param>
    /// <exception cref="PromptException">A prompt cannot be used, or there is none, or no metric.</exception>
    /// <exception cref="RunDirectoryException">A value in run.json cannot be used.</exception>
    /// <exception cref="CircuitException">The run is another model's, or its positions do not fit a prompt.</exception>
    /// <exception cref="AttributionException">What was asked cannot be: no patch prompt, no text for means.</exception>
    /// <exception cref="OperationCanceledException">The session's context was cancelled.</exception>
    public static FaithfulnessRun Find(LoadedModel model, CircuitSource source, IReadOnlyList<PromptTask>? tasks,
        FaithfulnessRequest request, IProgress<string>? progress = null)
    {
        var ranking = source.Ranking(model);
        var metric = request.Metric ?? source.Metric
            ?? throw new PromptException($"the run.json of {source.Path} has no 'metric'; say what to measure")
            {
                Settings = [Setting.Metric]
            };
        var bos = request.PrependBos ?? (source.Run as PromptRunRecord)?.PrependBos ?? model.PrependsBos;
        var prompts = tasks is null
            ? RunPrompt.Read(source, model, request.PrependBos)
            : [.. tasks.Select((t, i) => RunPrompt.Of(t, i, model.Tokenizer, bos))];
        var kinds = request.Kinds ?? [prompts.All(p => p.Patch is not null) ? AblationKind.Patch : AblationKind.Zero];
        CheckPrompts(prompts, kinds, request, ranking, source);
        var means = kinds.Contains(AblationKind.Mean) ? MeanText.Measure(model, request.MeanText!, bos, progress) : null;
        var results = new List<(string, IReadOnlyList<FaithfulnessPoint>)>();
        foreach (var (i, prompt) in prompts.Index())
        {
            progress?.Report($"prompt {i + 1} of {prompts.Count}");
            var options = request.Curve with
            {
                Metric = new(metric, request.Position ?? prompt.Position, prompt.Target, prompt.Foil),
            };
            results.Add((prompt.Id, [.. kinds.Select(kind => new AblationValues(kind, prompt.Patch, means))
                .SelectMany(ablation => FaithfulnessCurve.Measure(model, prompt.Clean, ablation, ranking, options))]));
        }
        return new FaithfulnessRun
        {
            Directory = source.Path!,
            Record = source.Run!,
            Metric = metric,
            Request = request,
            Kinds = kinds,
            MeanPositions = means?.Positions ?? 0,
            Prompts = results
        };
    }

    /// <summary>Adds the table to the run directory, and a summary to its run.json.</summary>
    /// <exception cref="RunDirectoryException">The directory cannot be written.</exception>
    public void Write(CancellationToken cancel)
    {
        var rows = Prompts.SelectMany(prompt => prompt.Points.Select(p => new FaithfulnessRow(prompt.Id, EnumName.Of(p.Ablation),
            EnumName.Of(p.Errors), p.Control is null ? "top" : "random", p.Control, p.Nodes, p.Share, p.Circuit, p.Complement, p.Empty,
            p.Full, p.Faithfulness, p.Completeness)));
        RunDirectory.Annotate(Directory, FaithfulnessRow.Table, RowTable.Of(rows),
            new RunAddition { Faithfulness = Summary(), BegunWith = Record }, cancel);
    }

    /// <summary>The curves' means over the prompts, as run.json has them.</summary>
    public FaithfulnessRecord Summary() => new()
    {
        Metric = Attribution.Metric.NameOf(Metric),
        Prompts = Prompts.Count,
        Controls = Request.Curve.Controls,
        Seed = Request.Curve.Seed,
        MeanText = Kinds.Contains(AblationKind.Mean) ? Request.MeanText : null,
        MeanPositions = MeanPositions > 0 ? MeanPositions : null,
        Undefined = Undefined,
        Curves = [.. Means.Select(m => new FaithfulnessMeanRecord(EnumName.Of(m.Ablation), EnumName.Of(m.Errors), m.Nodes, m.Of,
            RecordParts.Finite(m.Faithfulness), RecordParts.Finite(m.Completeness), RecordParts.Finite(m.Random.Mean),
            RecordParts.Finite(m.Random.Spread), RecordParts.Finite(m.RandomCompleteness.Mean),
            RecordParts.Finite(m.RandomCompleteness.Spread)))],
    };

    private static void CheckPrompts(IReadOnlyList<RunPrompt> prompts, IReadOnlyList<AblationKind> kinds, FaithfulnessRequest request,
        IReadOnlyList<CircuitNode> ranking, CircuitSource source)
    {
        if (kinds.Contains(AblationKind.Mean) && request.MeanText is null)
        {
            throw new AttributionException("mean ablation needs a text to take means over") { Settings = [Setting.MeanText] };
        }
        var own = ranking.Any(n => !n.IsEverywhere) ? (source.Run as PromptRunRecord)?.Tokens?.Count : null;
        foreach (var p in prompts)
        {
            if (kinds.Contains(AblationKind.Patch) && p.Patch is null)
            {
                throw new AttributionException(
                    $"patch ablation needs a patch prompt, and {p.What} has none; give it a patch_prompt, or ablate by zero or mean")
                {
                    Settings = [Setting.Ablation]
                };
            }
            if (own is { } length && p.Clean.Length != length)
            {
                throw new CircuitException($"the nodes of {source.Path} stand at positions of {length} tokens, "
                    + $"and {p.What} has {p.Clean.Length}; give prompts as long, or a graph summed over positions")
                {
                    Settings = [Setting.Aggregate]
                };
            }
        }
    }
}
