using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>graph --plan</c>: what the graph of a prompt, or a dataset of many, would take.</summary>
/// <param name="open">Opens the model for so many prompts, with so many lanes.</param>
internal sealed class PlanMode(Func<int, int, LoadedModel> open, GraphRequest request, ParseResult parsed, bool asJson)
{
    public static Option<bool> Option() => new("--plan")
    {
        Description = "draw nothing, and say what the graph or the dataset would take: rows, operations, memory, time, bytes on disk"
    };

    /// <summary>Refuses what there is no plan of.</summary>
    /// <param name="others">What does something else, or of something else.</param>
    public static void Contradict(CommandResult result, Option<bool> plan, params ReadOnlySpan<Option> others)
    {
        if (!result.GetValue(plan)) return;
        foreach (var other in others)
        {
            if (result.IsGiven(other)) result.AddError($"--plan has nothing to say of {other.Name}; leave one of them out");
        }
    }

    /// <param name="prompt">One, or a file of them.</param>
    /// <param name="dataset">How the dataset would be laid out, and which shard is asked for.</param>
    public int Run(PromptOptions prompt, Option<string?> patch, DatasetOptions dataset)
    {
        var file = parsed.GetValue(prompt.Many);
        var lines = file is null ? [] : PromptFile.Read(file);
        var asked = file is null ? null : dataset.Planned(parsed);
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("counting");
        using var model = open(Math.Max(1, lines.Count), asked is null ? 1 : DatasetMode.Lanes(lines, asked.PartSize));
        var many = asked is null ? null : DatasetPlan.Of(model, [.. lines.Select(l => (l.Task, l.Error))], request, asked);
        var report = new PlanReport(many?.Longest ?? GraphPlan.Of(model, prompt.Task(parsed, patch), request)) { Dataset = many };
        progress.Dispose();
        report.Write(parsed.InvocationConfiguration.Output, asJson);
        return ExitCodes.Done;
    }
}
