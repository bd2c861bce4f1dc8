using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options that all modes of <c>ablate</c> share.</summary>
internal sealed class AblateArguments
{
    public Option<string?> Model { get; } = new("--model")
    {
        Description = "the bundle that 'onnx-attribution export' made; with --faithfulness RUN and --circuit RUN by default the run's",
        HelpName = "DIR"
    };
    public Option<string?> Prompt { get; } = new("--prompt") { Description = "the clean prompt", HelpName = "TEXT" };
    public Option<string?> Prompts { get; } = new("--prompts")
    {
        Description = "many: a JSON object a line, with prompt and optional target, foil, patch_prompt, id",
        HelpName = "FILE"
    };
    public Option<string?> Target { get; } = new("--target")
    {
        Description = "text of exactly one token; a leading space counts; default: the model's own top token, with --circuit RUN the run's",
        HelpName = "TOKEN"
    };
    public Option<string?> Foil { get; } =
        new("--foil") { Description = "the other token of --metric logit-diff; default: the best other one", HelpName = "TOKEN" };
    public Option<string> Metric { get; } = new("--metric")
    {
        Description = "what is measured, read off the logits at --position; with --faithfulness RUN and --circuit RUN by default the run's",
        HelpName = string.Join('|', Attribution.Metric.Names),
        DefaultValueFactory = _ => "logit"
    };
    public Option<int?> Position { get; } =
        new("--position") { Description = "token position of the metric, from 0, BOS counted; default: the last", HelpName = "N" };
    public Option<string?> Sites { get; } = new("--sites")
    {
        Description = "sites that count: resid, attn, mlp, resid_mid, z, single ones such as 3.mlp, or hook names, with commas between; "
            + "default: all that have a dictionary",
        HelpName = "SITES"
    };
    public Option<bool?> PrependBos { get; } = new("--prepend-bos")
    {
        Description = "begin prompts with the tokenizer's BOS, GPT-2's <|endoftext|>; default: as the dictionaries were trained",
        HelpName = "true|false"
    };
    public Option<int> Seed { get; } =
        new("--seed") { Description = "seed of everything random", HelpName = "N", DefaultValueFactory = _ => 0 };
    public Option<int> Memory { get; } =
        new("--memory") { Description = "memory that one run's rows may take", HelpName = "MiB", DefaultValueFactory = _ => 1024 };
    public Option<string?> Out { get; } = new("--out") { Description = "where to write", HelpName = "PATH" };
    public Option<bool> Force { get; } = new("--force") { Description = "replace what is there" };
    public Option<bool> Json { get; } = new("--json") { Description = "print one JSON object" };

    public const string MissingModel = "--model is missing; name the bundle that 'onnx-attribution export' made";

    public AblateArguments()
    {
        Metric.AcceptOnlyFromAmong([.. Attribution.Metric.Names]);
        Sites.NotEmpty("resid, attn, mlp, resid_mid, z, single ones such as 3.mlp, or hook names, with commas between");
        Position.AtLeast(0);
        Memory.AtLeast(1);
    }

    public IReadOnlyList<Option> All =>
        [Model, Prompt, Prompts, Target, Foil, Metric, Position, Sites, PrependBos, Seed, Memory, Out, Force, Json];

    public MetricKind MetricKind(ParseResult parsed) => Attribution.Metric.KindOf(parsed.GetRequiredValue(Metric));

    /// <summary>null where --metric is not given.</summary>
    public MetricKind? GivenMetric(ParseResult parsed) => parsed.GetResult(Metric) is { Implicit: false } ? MetricKind(parsed) : null;

    /// <summary>Refuses --target and --foil beside a file of prompts, in which they would be passed over.</summary>
    public void TokensGoWithPrompt(CommandResult result)
    {
        if (result.GetResult(Prompts) is not null
            && ((Option[])[Target, Foil]).FirstOrDefault(o => result.GetResult(o) is not null) is { } option)
        {
            result.AddError($"{option.Name} goes with --prompt; in a --prompts file each line has its own");
        }
    }

    /// <summary>What --sites names; null where it is not given.</summary>
    public string[]? SiteNames(ParseResult parsed) =>
        parsed.GetValue(Sites)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <param name="sites">Instead of --sites.</param>
    public LoadedModel Open(ParseResult parsed, RunContext context, IReadOnlyList<string>? sites = null) =>
        LoadedModel.Open(parsed.GetRequiredValue(Model)!, sites ?? SiteNames(parsed), context);

    /// <summary>Opens --model, or the model that a run was made with, at the sites of --sites, or the run's.</summary>
    /// <exception cref="UsageException">There is no --model, and the circuit is of no run.</exception>
    /// <exception cref="CircuitException">The run's model is not where it was.</exception>
    public LoadedModel Open(ParseResult parsed, RunContext context, CircuitSource source)
    {
        var model = parsed.GetValue(Model);
        if (model is null && source.Run is null) throw new UsageException($"{MissingModel}; a circuit that is no run names none");
        return LoadedModel.Open(model ?? source.ModelPath, SiteNames(parsed) ?? source.Sites, context);
    }

    /// <summary>Refuses, before the first is run, a prompt of a file that no token ids can be made of, and says which.
    /// Warns of prompts that begin with the BOS twice.</summary>
    /// <param name="prependBos">Where --prepend-bos is not given; null: as the dictionaries were trained.</param>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used, or is too long.</exception>
    public void Check(ParseResult parsed, LoadedModel model, IReadOnlyList<PromptTask> tasks, ProgressLine progress,
        bool? prependBos = null)
    {
        progress.Dispose();
        TwiceBegun.Warn(model, tasks, parsed.GetValue(PrependBos) ?? prependBos, parsed.GetValue(Prompts) is not null,
            parsed.InvocationConfiguration.Error);
        if (parsed.GetValue(Prompts) is not { } file) return;
        foreach (var task in tasks)
        {
            try
            {
                model.RequireTokens(PromptTokens.Of(task, model.Tokenizer, parsed.GetValue(PrependBos) ?? model.PrependsBos).Clean);
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
        var (one, file) = (parsed.GetValue(Prompt), parsed.GetValue(Prompts));
        if (one is null == file is null)
        {
            throw new UsageException(one is null
                ? "there is no prompt; give --prompt TEXT or --prompts FILE"
                : "--prompt and --prompts contradict each other; give one of them");
        }
        if (one == "") throw new UsageException("--prompt is empty; give it some text");
        if (file is null) return [new PromptTask(one!, parsed.GetValue(Target), parsed.GetValue(Foil))];
        return [.. PromptFile.Read(file).Select(l => l.Task ?? throw new PromptException($"{file}, line {l.Line}: {l.Error}"))];
    }
}
