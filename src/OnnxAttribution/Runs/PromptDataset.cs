using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Many prompts, one opened model: their graphs as one dataset, part by part. What is whole is not computed again, so whoever was
/// stopped goes on, and shards on several machines fill one directory.</summary>
/// <param name="request">What every prompt is asked for.</param>
/// <param name="dataset">Begun; what it was asked for is <see cref="Record"/>'s.</param>
internal sealed class PromptDataset(LoadedModel model, GraphRequest request, DatasetDirectory dataset)
{
    private long _start;
    private int _done, _of, _before;

    /// <summary>Which parts are ours.</summary>
    public PromptShard Shard { get; init; } = PromptShard.Whole;

    /// <summary>Told of each line that fails, as soon as it does.</summary>
    public required Action<int, Exception> Failed { get; init; }

    public IProgress<DatasetProgress>? Progress { get; init; }

    /// <summary>Lines that failed now.</summary>
    public int Failures { get; private set; }

    /// <summary>Lines of whole parts that have no graph.</summary>
    public int FailedBefore { get; private set; }

    /// <summary>Prompts that were run now.</summary>
    public int Finished { get; private set; }

    /// <summary>Prompts of parts that were whole already.</summary>
    public int Found => _before;

    /// <summary>What a dataset is asked for.</summary>
    public static DatasetRecord Record(LoadedModel model, GraphRequest request,
        IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines, DatasetRequest asked) => new()
        {
            Metric = Metric.NameOf(request.Graph.Metric.Kind),
            Prompts = lines.Count,
            PromptsSha256 = Hash(lines),
            PartSize = asked.PartSize,
            AllNodes = asked.AllNodes,
            Sites = RecordParts.Names(model),
            // memory changes no number, and shards may have different ones
            Options = RecordParts.Options(request, model) with { MemoryBytes = null },
            PrependBos = request.PrependBos,
            Model = model.Name,
            BundleSha256 = model.BundleHash,
            Program = ThisProgram.Name,
            Version = ThisProgram.Version,
        };

    /// <summary>Finds and writes the graphs of all parts that are ours and not whole. A line that fails is a row that says why.</summary>
    /// <exception cref="RunDirectoryException">The dataset cannot be written; whole parts stay.</exception>
    /// <exception cref="Runtime.MemoryBudgetException">A prompt needs more memory than it may take; whole parts stay.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; whole parts stay.</exception>
    public void Run(IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines)
    {
        var size = dataset.Record.PartSize!.Value;
        var (from, to) = Shard.PartsOf(dataset.Record.Parts);
        IEnumerable<(int, PromptTask?, string?)> Of(int part) => lines.Skip(part * size).Take(size);
        var ours = Enumerable.Range(from, to - from).ToLookup(dataset.IsWhole);
        var missing = ours[false].ToList();
        FailedBefore = dataset.FailuresIn([.. ours[true]], model.Context.Cancel);
        _of = Enumerable.Range(from, to - from).Sum(p => Of(p).Count());
        _done = _before = _of - missing.Sum(p => Of(p).Count());
        dataset.RemoveLeftovers();
        _start = Stopwatch.GetTimestamp();
        foreach (var part in missing) Write(part, Of(part));
    }

    private void Write(int number, IEnumerable<(int Line, PromptTask? Task, string? Error)> lines)
    {
        using var part = new DatasetPart(dataset, number, model.Context.Cancel);
        foreach (var (line, task, error) in lines)
        {
            Report();
            Add(part, line, task, error);
            (_done, Finished) = (_done + 1, Finished + 1);
        }
        part.Commit();
    }

    private void Add(DatasetPart part, int line, PromptTask? task, string? error)
    {
        try
        {
            var run = GraphRun.Find(model, task ?? throw new PromptException(error!), request);
            var contents = run.Contents();
            part.Add(Row(line, run, (GraphRunRecord)contents.Record), contents);
        }
        catch (Exception e) when (e is PromptException or AttributionException)
        {
            part.Add(new PromptRow(task?.Id ?? $"line:{line}", line)
            {
                Prompt = task?.Prompt,
                PatchPrompt = task?.PatchPrompt,
                Error = e.Message,
            });
            Failures++;
            Failed(line, e);
        }
    }

    private void Report()
    {
        var done = _done - _before;
        var seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
        Progress?.Report(new DatasetProgress(_done, _of, done > 0 ? done / seconds : null));
    }

    private static PromptRow Row(int line, GraphRun run, GraphRunRecord record) => new(run.Task.Id!, line)
    {
        Prompt = record.Prompt,
        PatchPrompt = record.PatchPrompt,
        TokenCount = record.Tokens!.Count,
        Target = record.Target,
        TargetId = record.TargetId,
        Foil = record.Foil,
        FoilId = record.FoilId,
        CleanMetric = record.CleanMetric ?? float.NaN,
        PatchMetric = record.PatchMetric ?? float.NaN,
        Nodes = record.Nodes,
        KeptNodes = record.KeptNodes,
        Edges = record.Edges,
        ExplainedByFeatures = record.ExplainedByFeatures ?? double.NaN,
    };

    private static string Hash(IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (line, task, error) in lines)
        {
            // each text with its length before it, so that no two files read the same
            foreach (var text in (string?[])[$"{line}", task?.Id, task?.Prompt, task?.Target, task?.Foil, task?.PatchPrompt, error])
            {
                hash.AppendData(Encoding.UTF8.GetBytes(text is null ? "-" : $"{text.Length}:{text}"));
            }
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
