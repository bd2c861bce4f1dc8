using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Many prompts' graphs as one dataset, and their mean: what <c>graph --prompts</c> does. <see cref="RunQuery"/> asks it in SQL,
/// <see cref="RunDirectory.Read"/> reads its mean.</summary>
public sealed class DatasetRun
{
    private DatasetRun(string path, PromptDataset dataset, IReadOnlyDictionary<string, string> failures) =>
        (Path, State, Finished, MissingParts, Failures) = (path, dataset.State, dataset.Finished, dataset.Missing, failures);

    /// <summary>The dataset's directory, as it was given.</summary>
    public string Path { get; }

    /// <summary>What of it is there by now.</summary>
    public DatasetState State { get; }

    /// <summary>How many prompts were run now, those without a graph included.</summary>
    public int Finished { get; }

    /// <summary>How many parts are not there yet, of the prompts or of the mean's edges, as <see cref="State"/> says.</summary>
    public int MissingParts { get; }

    /// <summary>Why prompts that were run now have no graph, by their ids; each is a row of the dataset too.</summary>
    public IReadOnlyDictionary<string, string> Failures { get; }

    /// <summary>Finds and writes what of a dataset is not there yet: the graphs, part by part, and their mean once all parts are
    /// there.</summary>
    /// <param name="model">Stays the caller's.</param>
    /// <param name="prompts">In words; one without an id is called by its number, from 1.</param>
    /// <param name="request">What is asked of each.</param>
    /// <param name="path">The dataset's directory.</param>
    /// <param name="asked">How it is laid out, and what of it is written; null: as the command does it.</param>
    /// <exception cref="ArgumentNullException">There is no model, no prompts, no request or no path.</exception>
    /// <exception cref="ArgumentException">There is no prompt, or two have one id.</exception>
    /// <exception cref="AttributionException">No prompt of the model has such a graph.</exception>
    /// <exception cref="RunDirectoryException">Something else is there, or the dataset was asked for something else, or it cannot be
    /// written; whole parts stay.</exception>
    /// <exception cref="Runtime.MemoryBudgetException">A prompt needs more memory than it may take; whole parts stay.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; whole parts stay.</exception>
    public static DatasetRun Write(LoadedModel model, IReadOnlyList<PromptTask> prompts, GraphRequest request, string path,
        DatasetRequest? asked = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(path);
        asked ??= new();
        (int Line, PromptTask? Task, string? Error)[] lines = [.. prompts.Select((prompt, i) =>
            (i + 1, (PromptTask?)(prompt with { Id = prompt.Id ?? $"{i + 1}" }), (string?)null))];
        if (lines.Length == 0) throw new ArgumentException("A dataset has a prompt or more.", nameof(prompts));
        if (lines.CountBy(l => l.Task!.Id!).FirstOrDefault(id => id.Value > 1).Key is { } twice)
        {
            throw new ArgumentException($"Two prompts are called '{twice}'; ids must differ.", nameof(prompts));
        }
        var record = PromptDataset.Record(model, request, lines, asked);
        var failures = new Dictionary<string, string>();
        var dataset = new PromptDataset(model, request, DatasetDirectory.Begin(path, record, asked.Resume, model.Context.Cancel))
        {
            Shard = asked.Shard,
            Failed = (line, why) => failures[lines[line - 1].Task!.Id!] = why.Message,
        };
        dataset.Run(lines);
        return new(path, dataset, failures);
    }
}
