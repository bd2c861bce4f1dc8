using System.CommandLine;
using OnnxAttribution.Circuits;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options that all modes of <c>ablate</c> share.</summary>
internal sealed class AblateArguments
{
    public Option<string?> Model { get; } =
        ModelOptions.OptionalModel($"{ModelOptions.Bundle}; with --faithfulness RUN and --circuit RUN by default the run's");
    public PromptOptions Prompt { get; } = new(target: ", with --circuit RUN the run's");
    public MetricOptions Metric { get; } =
        new("what is measured, read off the logits at --position; with --faithfulness RUN and --circuit RUN by default the run's");
    public Option<string?> Sites { get; } = ModelOptions.Sites("sites that count", "; default: all that have a dictionary");
    public Option<int> Seed { get; } = ModelOptions.Seed("seed of everything random");
    public Option<int> Memory { get; } = ModelOptions.Memory("memory that one run's rows may take");
    public Option<string?> Out { get; } = new("--out") { Description = "where to write", HelpName = "PATH" };
    public Option<bool> Force { get; } = OutputOptions.Force("what is");
    public Option<bool> Json { get; } = OutputOptions.Json();

    public const string MissingModel = "--model is missing; name the bundle that 'onnx-attribution export' made";

    public IReadOnlyList<Option> All =>
        [Model, Prompt.One, Prompt.Many, Prompt.Target, Prompt.Foil, Metric.Kind, Metric.Position, Sites, Prompt.PrependBos, Seed, Memory,
            Out, Force, Json];

    public string[]? SiteNames(ParseResult parsed) => parsed.Items(Sites);

    /// <param name="sites">Instead of --sites.</param>
    public LoadedModel Open(ParseResult parsed, RunContext context, IReadOnlyList<string>? sites = null) =>
        LoadedModel.Open(parsed.GetRequiredValue(Model)!, sites ?? SiteNames(parsed), context);

    /// <summary>Opens --model, or the model that a run was made with, at the sites of --sites, or the run's.</summary>
    /// <exception cref="UsageException">There is no --model, and the circuit is of no run.</exception>
    /// <exception cref="CircuitException">The run's model is not where it was, or is another.</exception>
    public LoadedModel Open(ParseResult parsed, RunContext context, CircuitSource source)
    {
        var model = parsed.GetValue(Model);
        if (model is null) source.RequireRun();
        if (model is null && source.Run is null) throw new UsageException($"{MissingModel}; a circuit that is no run names none");
        return source.OpenModel(model ?? source.ModelPath, SiteNames(parsed), context);
    }

    /// <summary>Refuses, before the first is run, a prompt of a file that no token ids can be made of, and says which.
    /// Warns of prompts that begin with the BOS twice.</summary>
    /// <param name="prependBos">Where --prepend-bos is not given; null: as the dictionaries were trained.</param>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used, or is too long.</exception>
    public void Check(ParseResult parsed, LoadedModel model, IReadOnlyList<PromptTask> tasks, ProgressLine progress,
        bool? prependBos = null)
    {
        progress.Dispose();
        TwiceBegun.Warn(model, tasks, parsed.GetValue(Prompt.PrependBos) ?? prependBos, parsed.GetValue(Prompt.Many) is not null,
            parsed.InvocationConfiguration.Error);
        if (parsed.GetValue(Prompt.Many) is not { } file) return;
        TemplateTokens.Check(tasks, model.Tokenizer);
        foreach (var task in tasks)
        {
            try
            {
                model.RequireTokens(PromptTokens.Of(task, model.Tokenizer, parsed.GetValue(Prompt.PrependBos) ?? model.PrependsBos).Clean);
            }
            catch (OnnxAttributionException e) when (e is PromptException { IsTable: false } or AttributionException)
            {
                throw new PromptException($"{file}, prompt '{task.Id}': {e.Message}") { Settings = e.Settings };
            }
        }
    }

    /// <summary>The prompt, or the lines of the file; a line that cannot be read ends it all.</summary>
    /// <exception cref="PromptException">The file is missing or a line is wrong.</exception>
    /// <exception cref="UsageException">There is no prompt, or both.</exception>
    public IReadOnlyList<PromptTask> Tasks(ParseResult parsed)
    {
        if (Prompt.Wrong(parsed.CommandResult) is { } wrong) throw new UsageException(wrong);
        if (parsed.GetValue(Prompt.Many) is not { } file)
        {
            return [new PromptTask(parsed.GetValue(Prompt.One)!, parsed.GetValue(Prompt.Target), parsed.GetValue(Prompt.Foil))];
        }
        return [.. PromptFile.Read(file).Select(l => l.Task ?? throw new PromptException($"{file}, line {l.Line}: {l.Error}"))];
    }
}
