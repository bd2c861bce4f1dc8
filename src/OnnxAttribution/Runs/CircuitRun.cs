using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>What ablating a circuit did to one prompt.</summary>
internal sealed record CircuitPrompt(PromptTask Task, PromptTokens Tokens, CircuitAblation Result);

/// <summary>A circuit ablated in a set of prompts.</summary>
internal sealed class CircuitRun
{
    private readonly LoadedModel _model;

    private CircuitRun(LoadedModel model, Circuit circuit, CircuitAblationOptions options, IReadOnlyList<CircuitPrompt> prompts) =>
        (_model, Circuit, Options, Prompts) = (model, circuit, options, prompts);

    public Circuit Circuit { get; }
    public CircuitAblationOptions Options { get; }
    public IReadOnlyList<CircuitPrompt> Prompts { get; }

    /// <summary>Groups that were moved alone, and what each did is <see cref="CircuitAblation.GroupMetrics"/>; empty without.</summary>
    public IReadOnlyList<CircuitGroup> Groups { get; private init; } = [];

    /// <summary>The mean over the prompts of what moving a group does to the metric.</summary>
    public double EffectOf(int group) => Prompts.Average(p => p.Result.GroupMetrics[group] - p.Result.CleanMetric);

    /// <summary>What of the metric was taken from the circuit's run, in words; null: nothing, or it is of no run.</summary>
    public string? Taken { get; private init; }

    /// <summary>A circuit that is of no run.</summary>
    /// <param name="request">Target and foil come from the prompts' tasks; the BOS, where it is left open, from the dictionaries.</param>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used.</exception>
    /// <exception cref="CircuitException">The circuit has no feature, or does not fit the model or a prompt.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="OperationCanceledException">The session's context was cancelled.</exception>
    public static CircuitRun Find(LoadedModel model, CircuitSource source, IReadOnlyList<PromptTask> tasks, CircuitRequest request,
        IProgress<string>? progress = null)
    {
        var bos = request.PrependBos ?? model.PrependsBos;
        var groups = source.Groups(model, estimates: false);
        var options = Completed(request.Ablation, source, groups);
        return Ablate(model, source.Circuit(model), [.. tasks.Select(t =>
            (t, PromptTokens.Of(t, model.Tokenizer, bos), options.Metric.Position))], options, progress).With(groups, null);
    }

    /// <summary>A run's circuit, by the run's own metric where the request names no other.</summary>
    /// <param name="tasks">null: the run's prompt, or those of the runs that it was merged from.</param>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used, or the run's prompts are not known.</exception>
    /// <exception cref="RunDirectoryException">A value in run.json cannot be used.</exception>
    /// <inheritdoc path="/exception"
    /// cref="Find(LoadedModel, CircuitSource, IReadOnlyList{PromptTask}, CircuitRequest, IProgress{string}?)"/>
    public static CircuitRun FindAgain(LoadedModel model, CircuitSource source, IReadOnlyList<PromptTask>? tasks, CircuitRequest request,
        IProgress<string>? progress = null)
    {
        var groups = source.Groups(model, estimates: tasks is null && IsAsTheRunDid(source, request));
        var (options, taken) = (Completed(request.Ablation, source, groups), new List<string>());
        if (request.Metric is { } kind)
        {
            options = options with { Metric = options.Metric with { Kind = kind } };
        }
        else if (source.Metric is { } own)
        {
            options = options with { Metric = options.Metric with { Kind = own } };
            taken.Add("metric");
        }
        if (request.Foil is not null && options.Metric.Kind != MetricKind.LogitDiff)
        {
            throw new PromptException(
                $"a foil goes with the metric logit-diff, and {source.Path} has {Metric.NameOf(options.Metric.Kind)}; "
                    + "leave the foil out, or measure logit-diff")
            {
                Settings = [Setting.Foil, Setting.Metric]
            };
        }
        int? target = PromptTokens.OneToken(model.Tokenizer, Setting.Target, request.Target),
            foil = PromptTokens.OneToken(model.Tokenizer, Setting.Foil, request.Foil);
        var prompts = tasks is null
            ? OwnPrompts(source, model, request, (target, foil), taken)
            : [.. tasks.Select(t => Other(model, source, t, request, taken))];
        return Ablate(model, source.Circuit(model), prompts, options, progress)
            .With(groups, taken.Count == 0 ? null : string.Join(", ", taken.Distinct()));
    }

    private CircuitRun With(IReadOnlyList<CircuitGroup> groups, string? taken) =>
        new(_model, Circuit, Options, Prompts) { Groups = Options.Keep ? [] : groups, Taken = taken };

    private static CircuitAblationOptions Completed(CircuitAblationOptions asked, CircuitSource source,
        IReadOnlyList<CircuitGroup> groups) => asked with { MovesErrors = source.ListsErrors, Groups = [.. groups.Select(g => g.Nodes)] };

    // so that the run's effects are estimates of what is measured
    private static bool IsAsTheRunDid(CircuitSource source, CircuitRequest request) =>
        request is { Metric: null, Target: null, Foil: null, Ablation.Metric.Position: null }
            && request.Ablation.Coefficient == ((source.Run as AblationRunRecord)?.Options?.Coefficient ?? 0);

    private static List<(PromptTask Task, PromptTokens Tokens, int? Position)> OwnPrompts(CircuitSource source, LoadedModel model,
        CircuitRequest request, (int? Target, int? Foil) asked, List<string> taken)
    {
        var (target, foil) = asked;
        var own = RunPrompt.Read(source, model, request.PrependBos);
        taken.Insert(0, own.Count == 1 ? "prompt" : "prompts");
        if (target is null) taken.Add("target");
        if (target is null && foil is null && own.Any(p => p.Foil is not null)) taken.Add("foil");
        if (request.Ablation.Metric.Position is null) taken.Add("position");
        // another target has another foil
        return [.. own.Select(p => (new PromptTask(p.Text, Id: own.Count == 1 ? null : p.Id),
            new PromptTokens(p.Clean, p.Patch, target ?? p.Target, foil ?? (target is null ? p.Foil : null)),
            request.Ablation.Metric.Position ?? p.Position))];
    }

    // another prompt: one that was typed has the run's target unless it is given one, a line of a file has its own;
    // the run's own prompt typed again has its position too
    private static (PromptTask Task, PromptTokens Tokens, int? Position) Other(LoadedModel model, CircuitSource source,
        PromptTask task, CircuitRequest request, List<string> taken)
    {
        var own = source.Run as PromptRunRecord;
        if (own is not null && task.Id is null) RecordedValues.Require(source.RunPath, own, model);
        var bos = request.PrependBos ?? own?.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task, model.Tokenizer, bos);
        var position = request.Ablation.Metric.Position;
        if (task.Id is not null) return (task, tokens, position);
        if (tokens.Target is null && own?.TargetId is { } target)
        {
            tokens = tokens with { Target = target, Foil = tokens.Foil ?? own.FoilId };
            taken.Add("target");
            if (request.Foil is null && tokens.Foil is not null) taken.Add("foil");
        }
        if (position is null && own?.Tokens?.SequenceEqual(tokens.Clean) == true)
        {
            position = own.Position;
            taken.Add("position");
        }
        return (task, tokens, position);
    }

    private static CircuitRun Ablate(LoadedModel model, Circuit circuit,
        IReadOnlyList<(PromptTask Task, PromptTokens Tokens, int? Position)> prompts, CircuitAblationOptions options,
        IProgress<string>? progress)
    {
        if (options.MovesErrors) circuit.RequireNodes(model);
        else circuit.RequireFeatures(model);
        var results = new List<CircuitPrompt>();
        foreach (var (task, tokens, position) in prompts)
        {
            progress?.Report($"prompt {results.Count + 1} of {prompts.Count}");
            var result = CircuitAblation.Run(model, tokens.Clean, circuit, options with
            {
                Metric = new(options.Metric.Kind, position, tokens.Target, tokens.Foil),
                GroupPatch = options.Coefficient == 0 ? tokens.Patch : null,
            });
            results.Add(new CircuitPrompt(task, tokens, result));
        }
        return new CircuitRun(model, circuit, options, results);
    }

    /// <summary>Every next token of every prompt, with the circuit ablated,
    /// with the random controls (their mean) and with the first features of each dictionary.</summary>
    /// <exception cref="RunDirectoryException">The file exists and <paramref name="force"/> is off, or it cannot be written.</exception>
    public void Write(string file, bool force)
    {
        var metadata = new CircuitMetadata(Options.Coefficient, Options.Keep, Options.Controls, Options.Seed, _model.Name,
            _model.BundleHash, ThisProgram.Version);
        RunDirectory.WriteRows(file, Rows(), force, RunFile.MetadataOf(metadata, RunJson.Default.CircuitMetadata),
            _model.Context.Cancel);
    }

    private IEnumerable<CircuitRow> Rows()
    {
        foreach (var (index, p) in Prompts.Index())
        {
            var (id, r) = (p.Task.Id ?? $"{index + 1}", p.Result);
            foreach (var (name, after) in new[] { ("circuit", r.Ablated), ("random", r.Control), ("feature 0", r.FeatureZero) })
            {
                for (var t = 0; t < after.Length; t++)
                {
                    var s = new TokenChange(t, r.Clean[t], after[t]);
                    yield return new CircuitRow(id, name, t, _model.TokenText(t), s.Clean, s.Ablated, s.Change,
                        double.IsFinite(s.Relative) ? s.Relative : double.NaN);
                }
            }
        }
    }
}
