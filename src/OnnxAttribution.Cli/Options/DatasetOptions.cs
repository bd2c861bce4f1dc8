using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options of <c>graph</c> for one dataset of many prompts.</summary>
internal sealed class DatasetOptions
{
    private readonly Option<bool> _json;
    private readonly Option<bool> _dataset = new("--dataset")
    {
        Description = "of --prompts: one dataset in place of a run each, nodes, edges and prompts in Parquet parts; no mean, no pages"
    };
    private readonly Option<int> _partSize = new("--part-size")
    {
        Description = "prompts in a part of --dataset: what a kill loses at most",
        HelpName = "N",
        DefaultValueFactory = _ => DatasetRequest.UsualPartSize
    };
    private readonly Option<bool> _allNodes = new("--all-nodes") { Description = "write nodes that were not kept to --dataset too" };
    private readonly Option<bool> _resume = new("--resume") { Description = "go on with the dataset that is there: its whole parts stay" };
    private readonly Option<PromptShard?> _shard = new("--shard")
    {
        Description = "compute the I-th of N ranges of the parts, into a directory that all shards share; default: what Slurm "
            + "(SLURM_ARRAY_TASK_ID) or Kubernetes (JOB_COMPLETION_INDEX) says of an array, else all",
        HelpName = "I/N",
        CustomParser = result => Parse(result.Tokens[0].Value) is { } shard ? shard : Wrong(result),
    };

    /// <param name="command">Gets the options.</param>
    /// <param name="json">Its --json.</param>
    public DatasetOptions(Command command, Option<bool> json)
    {
        _json = json;
        _partSize.AtLeast(1);
        foreach (var option in (Option[])[_dataset, _partSize, _allNodes, _resume, _shard]) command.Options.Add(option);
    }

    public bool IsAsked(SymbolResult result) => result.GetValue(_dataset);

    public bool IsAsked(ParseResult parsed) => parsed.GetValue(_dataset);

    /// <summary>Refuses what a dataset has no use for, and options of a dataset where there is none.</summary>
    public void Contradict(CommandResult result, Option prompts, params ReadOnlySpan<Option> ofRuns)
    {
        if (!IsAsked(result))
        {
            foreach (var option in (Option[])[_partSize, _allNodes, _resume, _shard])
            {
                if (result.IsGiven(option)) result.AddError($"{option.Name} goes with --dataset");
            }
            return;
        }
        if (!result.IsGiven(prompts)) result.AddError("--dataset goes with --prompts");
        foreach (var option in ofRuns)
        {
            if (result.IsGiven(option)) result.AddError($"{option.Name} goes with a run directory per prompt; leave it or --dataset out");
        }
    }

    public bool IsJson(ParseResult parsed) => parsed.GetValue(_json);

    public DatasetRequest Request(ParseResult parsed) => new(parsed.GetValue(_partSize), parsed.GetValue(_allNodes));

    public bool Resume(ParseResult parsed) => parsed.GetValue(_resume);

    /// <summary>The shard that was asked for, or that the scheduler gave this process; null: neither.</summary>
    /// <exception cref="UsageException">The scheduler's variables say something else than a shard.</exception>
    public PromptShard? Shard(ParseResult parsed) => parsed.GetValue(_shard) ?? OfArray(Environment.GetEnvironmentVariable);

    /// <param name="variable">The value of an environment variable; null where it is not set.</param>
    internal static PromptShard? OfArray(Func<string, string?> variable)
    {
        string? Given(string name) => variable(name) is { Length: > 0 } value ? value : null;
        // Slurm's arrays begin where they are told to; Kubernetes's with 0, and it says nothing of their length
        if (Given("SLURM_ARRAY_TASK_ID") is { } task)
        {
            return Number("SLURM_ARRAY_TASK_ID", task) - Number("SLURM_ARRAY_TASK_MIN", Given("SLURM_ARRAY_TASK_MIN")) is var at
                && Number("SLURM_ARRAY_TASK_COUNT", Given("SLURM_ARRAY_TASK_COUNT")) is var count && at < count ? new(at + 1, count)
                : throw new UsageException("SLURM_ARRAY_TASK_ID is beyond SLURM_ARRAY_TASK_COUNT from SLURM_ARRAY_TASK_MIN on; "
                    + "give an array without gaps, or --shard I/N");
        }
        if (Given("JOB_COMPLETION_INDEX") is not { } index) return null;
        var of = Given("JOB_COMPLETIONS") ?? throw new UsageException("JOB_COMPLETION_INDEX is set and JOB_COMPLETIONS is not; "
            + "set it to the job's spec.completions, or give --shard I/N");
        return Parse($"{Number("JOB_COMPLETION_INDEX", index) + 1}/{of}")
            ?? throw new UsageException($"JOB_COMPLETION_INDEX {index} is none of JOB_COMPLETIONS {of}; give --shard I/N");
    }

    private static int Number(string name, string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
            : throw new UsageException(
                $"{name} is {(text is null ? "not set" : $"'{text}'")}, and a whole number is needed; give --shard I/N");

    private static PromptShard? Parse(string text) =>
        text.Split('/') is [var i, var n] && int.TryParse(i, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var of) && number >= 1 && number <= of
            ? new PromptShard(number, of) : null;

    private static PromptShard? Wrong(ArgumentResult result)
    {
        result.AddError($"--shard cannot be '{result.Tokens[0].Value}'; it takes I/N with I from 1 to N, such as 3/8");
        return null;
    }
}
