using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Cli.Verbs;

/// <summary><c>graph --prompts … --dry-run</c>: the prompts as they would be run, each checked by the model's tokenizer.</summary>
internal static class DryRunMode
{
    public static Option<bool> Option() => new("--dry-run")
    {
        Description = "print the prompts of --prompts as JSONL, checked by the model's tokenizer, and draw nothing"
    };

    /// <summary>Refuses a dry run of no file, and a real one without a place.</summary>
    /// <param name="plan">Another way to draw nothing.</param>
    public static void Contradict(CommandResult result, Option<bool> dryRun, Option many, Option directory, Option<bool> plan)
    {
        var isDry = result.GetValue(dryRun);
        if (isDry && !result.IsGiven(many)) result.AddError("--dry-run goes with --prompts");
        if (!isDry && !result.GetValue(plan) && !result.IsGiven(directory)) result.AddError("Option '--out' is required.");
    }

    /// <param name="prompts">A file of prompts, or a template.</param>
    /// <param name="model">The bundle, of which only the tokenizer is read.</param>
    public static int Run(ParseResult parsed, Option<string?> prompts, Option<string> model, CancellationToken cancel)
    {
        var (invocation, places) = (parsed.InvocationConfiguration, PromptOptions.OfAllPrompts(parsed));
        var file = parsed.GetRequiredValue(prompts)!;
        var lines = PromptFile.Read(file);
        var tokenizer = Tokenizer.Open(parsed.GetRequiredValue(model));
        TemplateTokens.Check(lines.Select(l => l.Task), tokenizer);
        var failures = 0;
        foreach (var (line, task, error) in lines)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                if (task is null) throw new PromptException(error!);
                PromptTokens.Of(task, tokenizer, prependBos: false);
                invocation.Output.WriteLine(PromptFile.Line(task));
            }
            catch (PromptException e)
            {
                failures++;
                invocation.Error.WriteLine($"{file}, line {line}: {FailureLine.OfOne(e, places)}");
            }
        }
        invocation.Error.WriteLine($"{Screen.Count(lines.Count - failures, "prompt")}, none of them run"
            + (failures == 0 ? "" : $"; {Screen.Count(failures, "line")} failed"));
        return failures == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }
}
