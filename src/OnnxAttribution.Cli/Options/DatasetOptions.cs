using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options of <c>graph</c> for many prompts: one dataset, or a run each.</summary>
internal sealed class DatasetOptions
{
    private const string SlurmTask = "SLURM_ARRAY_TASK_ID", KubernetesIndex = "JOB_COMPLETION_INDEX";

    private readonly Option<bool> _json, _noPage;
    private readonly Option<bool> _directories = new("--directories")
    {
        Description = "of --prompts: a run each below --out, and their mean in --out/merged/mean, in place of one dataset"
    };
    private readonly Option<bool> _pages = new("--pages")
    {
        Description = "of --directories: a page for each prompt too, which takes about 13 times the graph's room; index.html lists all"
    };
    private readonly Option<int> _partSize = new("--part-size")
    {
        Description = "of --prompts: how many are written at once, as a part; what a kill loses at most",
        HelpName = "N",
        DefaultValueFactory = _ => DatasetRequest.UsualPartSize
    };
    private readonly Option<bool> _allNodes = new("--all-nodes") { Description = "of --prompts: write nodes that were not kept too" };
    private readonly Option<bool> _resume = new("--resume")
    {
        Description = "of --prompts: go on with the dataset that is there; its whole parts stay"
    };
    private readonly Option<PromptShard?> _shard = new("--shard")
    {
        Description = "of --prompts: compute the I-th of N ranges of the parts, into a directory that all shards share; default: what "
            + "Slurm (SLURM_ARRAY_TASK_ID) or Kubernetes (JOB_COMPLETION_INDEX) says of an array, else all",
        HelpName = "I/N",
        CustomParser = result => Parse(result.Tokens[0].Value) is { } shard ? shard : Wrong(result),
    };

    /// <param name="command">Gets the options.</param>
    /// <param name="json">Its --json.</param>
    /// <param name="noPage">Its --no-page.</param>
    public DatasetOptions(Command command, Option<bool> json, Option<bool> noPage)
    {
        (_json, _noPage) = (json, noPage);
        _partSize.AtLeast(1);
        foreach (var option in (Option[])[_directories, _pages, _partSize, _allNodes, _resume, _shard]) command.Options.Add(option);
    }

    /// <summary>Of many prompts a run each.</summary>
    public Option<bool> Directories => _directories;

    /// <summary>Whether many prompts become a run each.</summary>
    public bool AreDirectories(ParseResult parsed) => parsed.GetValue(_directories);

    /// <summary>Whether each prompt's run gets a page of its own.</summary>
    public bool ArePagesWanted(ParseResult parsed) => parsed.GetValue(_pages);

    /// <summary>Refuses what a dataset has no use for, and options of many prompts where there is one.</summary>
    public void Contradict(CommandResult result, Option prompts, params ReadOnlySpan<Option> ofRuns)
    {
        Option[] ofDatasets = [_partSize, _allNodes, _resume, _shard];
        if (!result.IsGiven(prompts))
        {
            foreach (var option in (Option[])[_directories, _pages, .. ofDatasets])
            {
                if (result.IsGiven(option)) result.AddError($"{option.Name} goes with --prompts");
            }
            return;
        }
        if (result.GetValue(_directories))
        {
            foreach (var option in ofDatasets)
            {
                if (!result.IsGiven(option)) continue;
                result.AddError($"{option.Name} is about a dataset, and contradicts --directories; give one of them");
            }
            if (result.GetValue(_pages) && result.GetValue(_noPage)) result.AddError("--no-page contradicts --pages; give one of them");
            if (WrongInArray(Environment.GetEnvironmentVariable) is { } wrong) result.AddError(wrong);
            return;
        }
        foreach (var option in (Option[])[_pages, .. ofRuns])
        {
            if (result.IsGiven(option)) result.AddError($"{option.Name} goes with a run directory per prompt; give --directories too");
        }
    }

    public bool IsJson(ParseResult parsed) => parsed.GetValue(_json);

    public bool IsPageWanted(ParseResult parsed) => !parsed.GetValue(_noPage);

    public DatasetRequest Request(ParseResult parsed) => new()
    {
        PartSize = parsed.GetValue(_partSize),
        AllNodes = parsed.GetValue(_allNodes),
    };

    /// <summary>The dataset, and the share of it that would be computed here.</summary>
    /// <exception cref="UsageException">As <see cref="Shard"/>.</exception>
    public DatasetRequest Planned(ParseResult parsed) => Request(parsed) with { Shard = Shard(parsed) ?? PromptShard.Whole };

    public bool Resume(ParseResult parsed) => parsed.GetValue(_resume);

    /// <summary>The shard that was asked for, or that the scheduler gave this process; null: neither.</summary>
    /// <exception cref="UsageException">The scheduler's variables say something else than a shard.</exception>
    public PromptShard? Shard(ParseResult parsed) => parsed.GetValue(_shard) ?? OfArray(Environment.GetEnvironmentVariable);

    /// <summary>Why there is no run per prompt in a scheduler's array, whose tasks would all run every prompt into one place; null: this
    /// is none.</summary>
    /// <param name="variable">As for <see cref="OfArray"/>.</param>
    internal static string? WrongInArray(Func<string, string?> variable) =>
        Array.Find((string[])[SlurmTask, KubernetesIndex], name => variable(name) is { Length: > 0 }) is { } set
            ? $"--directories has no shards, and {set} says that this is one of an array, whose tasks would each run all prompts; "
                + $"write a dataset, without --directories, or unset {set} where each task has prompts and --out of its own"
            : null;

    /// <param name="variable">The value of an environment variable; null where it is not set.</param>
    internal static PromptShard? OfArray(Func<string, string?> variable)
    {
        string? Given(string name) => variable(name) is { Length: > 0 } value ? value : null;
        // Slurm's arrays begin where they are told to; Kubernetes's with 0, and it says nothing of their length
        if (Given(SlurmTask) is { } task)
        {
            return Number(SlurmTask, task) - Number("SLURM_ARRAY_TASK_MIN", Given("SLURM_ARRAY_TASK_MIN")) is var at
                && Number("SLURM_ARRAY_TASK_COUNT", Given("SLURM_ARRAY_TASK_COUNT")) is var count && at < count ? new(at + 1, count)
                : throw new UsageException("SLURM_ARRAY_TASK_ID is beyond SLURM_ARRAY_TASK_COUNT from SLURM_ARRAY_TASK_MIN on; "
                    + "give an array without gaps, or --shard I/N");
        }
        if (Given(KubernetesIndex) is not { } index) return null;
        var of = Given("JOB_COMPLETIONS") ?? throw new UsageException("JOB_COMPLETION_INDEX is set and JOB_COMPLETIONS is not; "
            + "set it to the job's spec.completions, or give --shard I/N");
        return Parse($"{Number(KubernetesIndex, index) + 1}/{of}")
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
