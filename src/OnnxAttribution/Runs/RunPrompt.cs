using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>A prompt in token ids, with the name that a table has for it.</summary>
/// <param name="What">For messages.</param>
/// <param name="Position">Of the metric; null: the last.</param>
/// <param name="Text">The clean prompt's, as it was given.</param>
internal sealed record RunPrompt(string Id, string What, int[] Clean, int[]? Patch, int? Target, int? Foil, int? Position, string Text)
{
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    public static RunPrompt Of(PromptTask task, int index, Tokenizer tokenizer, bool prependBos)
    {
        var tokens = PromptTokens.Of(task, tokenizer, prependBos);
        return new RunPrompt(task.Id ?? $"{index + 1}", task.Id is null
            ? $"the prompt {DisplayText.Quoted(task.Prompt)}"
            : $"the prompt '{task.Id}'", tokens.Clean, tokens.Patch, tokens.Target, tokens.Foil, null, task.Prompt);
    }

    /// <summary>The prompt of a run, or of each run that it was merged from and that lies in the same batch.</summary>
    /// <param name="bos">Whether prompts shall begin with a BOS:
    /// the tokens are those of the run, so it has to have been so there. null: as it was.</param>
    /// <exception cref="PromptException">The run's prompts are not known.</exception>
    /// <exception cref="RunDirectoryException">What a run.json says of its prompt does not fit together, or not the model.</exception>
    public static IReadOnlyList<RunPrompt> Read(CircuitSource source, LoadedModel model, bool? bos)
    {
        var directory = source.RunPath;
        if (source.Run is MergedRunRecord && MergedRun.DatasetOf(directory) is { } dataset)
        {
            return OfDataset(DatasetDirectory.Read(dataset), model, bos);
        }
        if (source.Run is not MergedRunRecord { Ids: { Count: > 0 } ids })
        {
            RequireFits(directory, source.Run!, model);
            return [Of(source.Run!, Path.GetFileName(directory), source.Path!, bos)];
        }
        var batch = MergedRun.BatchOf(directory);
        return [.. ids.Select(id => (Id: id, Run: Record(Path.Combine(batch, id), source.Path!)))
            .Select(run =>
            {
                RequireFits(Path.Combine(batch, run.Id), run.Run, model);
                return Of(run.Run, run.Id, run.Id, bos);
            })];
    }

    private static IReadOnlyList<RunPrompt> OfDataset(DatasetDirectory dataset, LoadedModel model, bool? bos)
    {
        var had = dataset.Record.PrependBos ?? model.PrependsBos;
        RequireBos(bos, had, $"the prompts of {dataset.Path} were");
        return [.. dataset.Parts.SelectMany(part => dataset.Rows<PromptRow>(part, model.Context.Cancel)).Where(row => row.Error is null)
            .Select(row =>
            {
                var tokens = PromptTokens.Of(new(row.Prompt!, PatchPrompt: row.PatchPrompt), model.Tokenizer, had);
                return new RunPrompt(row.Run, $"the prompt '{row.Run}'", tokens.Clean, tokens.Patch, row.TargetId, row.FoilId,
                    dataset.Record.Position, row.Prompt!);
            })];
    }

    private static RunRecord Record(string directory, string merged)
    {
        try
        {
            return RunFile.Read(Path.Combine(directory, RunNames.RecordFile)).Record;
        }
        catch (RunDirectoryException e)
        {
            throw new PromptException($"{merged} was merged from runs that should lie in its batch "
                + $"({e.Message.Split(". ")[0].TrimEnd('.')}); give the prompts anew")
            { Settings = [Setting.Prompts] };
        }
    }

    private static void RequireFits(string directory, RunRecord run, LoadedModel model)
    {
        if (run is PromptRunRecord prompt) RecordedValues.Require(directory, prompt, model);
    }

    private static RunPrompt Of(RunRecord run, string name, string what, bool? bos)
    {
        if (run is not PromptRunRecord { Tokens: { } tokens } own)
        {
            throw new PromptException($"the run.json of {what} names no prompt; give prompts") { Settings = [Setting.Prompts] };
        }
        RequireBos(bos, own.PrependBos, $"the prompt of {what} was");
        return new RunPrompt(own.Id ?? name, $"the prompt of {what}", [.. tokens], own.PatchTokens?.ToArray(), own.TargetId, own.FoilId,
            own.Position, own.Prompt ?? "");
    }

    private static void RequireBos(bool? wanted, bool? had, string what)
    {
        if (wanted is null || had is null || had == wanted) return;
        throw new PromptException($"{what} read {(had.Value ? "with" : "without")} a BOS in front; leave that to the run, or give prompts")
        {
            Settings = [Setting.PrependBos, Setting.Prompts]
        };
    }
}
