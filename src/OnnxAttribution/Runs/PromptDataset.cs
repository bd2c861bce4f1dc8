using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Many prompts, one opened model: their graphs as one dataset, part by part. What is whole is not computed again, so whoever was
/// stopped goes on, and shards on several machines fill one directory.</summary>
/// <param name="request">What every prompt is asked for.</param>
/// <param name="dataset">Begun; what it was asked for is <see cref="Record"/>'s.</param>
internal sealed class PromptDataset(LoadedModel model, GraphRequest request, DatasetDirectory dataset)
{
    private readonly List<int> _busy = [];
    private readonly Lock _counting = new();
    private long _start;
    private int _done, _of, _before, _beforeNow;
    private string _stage = DatasetProgress.Prompts;

    // tokens of the longest prompt so far that there is memory for
    private int _fits;

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

    /// <summary>The mean, where it was written now; null where it was not.</summary>
    public DatasetMean? Mean { get; private set; }

    /// <summary>What is left to do.</summary>
    public DatasetState State { get; private set; }

    /// <summary>How many parts are not there yet that others compute, of <see cref="State"/>'s pass.</summary>
    public int Missing { get; private set; }

    /// <summary>Parts of ours that another program is writing, from 0, in the order they were come upon.</summary>
    public IReadOnlyList<int> Busy => _busy;

    /// <summary>What a dataset is asked for.</summary>
    /// <exception cref="AttributionException">No prompt of the model has such a graph.</exception>
    public static DatasetRecord Record(LoadedModel model, GraphRequest request,
        IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines, DatasetRequest asked)
    {
        // what holds of every prompt is said once, before anything is begun
        _ = request.SumOverPositions ? GraphFinder.CheckedSummed(model, request.Graph) : GraphFinder.Checked(model, request.Graph);
        return new()
        {
            Metric = Metric.NameOf(request.Graph.Metric.Kind),
            Position = request.Graph.Metric.Position,
            Prompts = lines.Count,
            PromptsSha256 = Hash(lines),
            PartSize = asked.PartSize,
            AllNodes = asked.AllNodes,
            Sites = RecordParts.Names(model),
            // memory changes last digits at most, and shards may have different ones
            Options = RecordParts.Options(request, model) with { MemoryBytes = null },
            Bootstrap = MeanBootstrap.For(lines.Count),
            PrependBos = request.PrependBos,
            Packed = model.PacksWeights,
            Model = model.Name,
            BundleSha256 = model.BundleHash,
            Program = ThisProgram.Name,
            Version = ThisProgram.Version,
        };
    }

    /// <summary>Finds and writes the graphs of all parts that are ours and not whole, and of the mean what can be done by now. A line that
    /// fails is a row that says why.</summary>
    /// <exception cref="RunDirectoryException">The dataset cannot be written; whole parts stay.</exception>
    /// <exception cref="Runtime.MemoryBudgetException">A prompt needs more memory than it may take; whole parts stay.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; whole parts stay.</exception>
    public void Run(IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines)
    {
        var (from, to) = Shard.PartsOf(dataset.Record.Parts);
        int[] ours = [.. Enumerable.Range(from, to - from)];
        dataset.RemoveLeftovers();
        dataset.CheckMean();
        var missing = ours.Where(part => !dataset.IsWhole(part)).ToList();
        FailedBefore = dataset.FailuresIn([.. ours.Except(missing)], model.Context.Cancel);
        Begin(ours, missing, lines, DatasetProgress.Prompts);
        _before = _done;
        foreach (var part in missing)
        {
            if (!dataset.IsWhole(part) && !TryWrite(part, Of(part, lines))) _busy.Add(part);
        }
        try
        {
            State = Merge(ours, lines);
        }
        // another program may have written the mean, and removed what it is made from
        catch (RunDirectoryException) when (dataset.HasMean)
        {
            State = DatasetState.Whole;
        }
        if (State == DatasetState.Whole) dataset.RemoveSums();
    }

    // as far as the parts of all shards allow it
    private DatasetState Merge(int[] ours, IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines)
    {
        var all = Enumerable.Range(0, dataset.Record.Parts);
        if ((Missing = all.Count(part => !dataset.IsWhole(part))) > 0) return DatasetState.PromptsMissing;
        if (dataset.HasMean) return DatasetState.Whole;
        var mean = new DatasetMean(model, request, dataset);
        if (!mean.Choose()) return DatasetState.NoGraph;
        var missing = ours.Where(part => !dataset.IsSummed(part)).ToList();
        Begin(ours, missing, lines, DatasetProgress.Mean);
        foreach (var part in missing)
        {
            if (dataset.IsSummed(part) || mean.TrySum(part, Of(part, lines), Ended)) continue;
            _busy.Add(part);
        }
        if ((Missing = all.Count(part => !dataset.IsSummed(part))) > 0 && !dataset.HasMean) return DatasetState.EdgesMissing;
        if (!mean.TryWrite()) return DatasetState.MeanBusy;
        if (mean.Record is not null) Mean = mean;
        return DatasetState.Whole;
    }

    private IEnumerable<(int Line, PromptTask? Task, string? Error)> Of(int part,
        IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines) =>
        lines.Skip(part * dataset.Record.PartSize!.Value).Take(dataset.Record.PartSize.Value);

    private bool TryWrite(int number, IEnumerable<(int Line, PromptTask? Task, string? Error)> lines)
    {
        using var part = DatasetPart.TryBegin(dataset, number, model.Context.Cancel);
        if (part is null) return false;
        var sum = new GraphSum(model.Selected);
        var prompts = lines.Select(line => new Line(line, model, request)).ToArray();
        foreach (var window in PromptWindows.Of([.. prompts.Select(p => p.Tokens)]))
        {
            Prompts(prompts[window]);
            foreach (var prompt in prompts[window]) Add(part, sum, prompt);
        }
        part.Commit(DatasetMean.Rows(sum));
        return true;
    }

    // a line of the file, and what becomes of it
    private sealed class Line
    {
        public Line((int Line, PromptTask? Task, string? Error) line, LoadedModel model, GraphRequest request)
        {
            (Number, Task) = (line.Line, line.Task);
            try
            {
                if (Task is null) throw new PromptException(line.Error!);
                Tokens = PromptTokens.Of(Task, model.Tokenizer, request.PrependBos ?? model.PrependsBos);
            }
            catch (PromptException e)
            {
                Failure = e;
            }
        }

        public int Number { get; }
        public PromptTask? Task { get; }
        public PromptTokens? Tokens { get; }
        public GraphRun? Run { get; set; }
        public Exception? Failure { get; set; }
    }

    // side by side
    private void Prompts(Line[] window)
    {
        foreach (var line in window.Where(p => p.Tokens?.Clean.Length > _fits)) line.Failure = Refusal(line.Tokens!.Clean.Length);
        Line[] sound = [.. window.Where(p => p.Failure is null)];
        for (var i = sound.Length; i < window.Length; i++) Ended();
        var before = _done;
        var runs = GraphRun.FindAll(model, [.. sound.Select(p => (p.Task!, p.Tokens!))], request, Ended);
        // those that failed before they came to a lane
        while (_done < before + sound.Length) Ended();
        for (var i = 0; i < sound.Length; i++) (sound[i].Run, sound[i].Failure) = (runs[i].Found, runs[i].Failure);
    }

    // of what the machine's memory will not do for; a shorter prompt takes less
    private Exception? Refusal(int length)
    {
        var asked = Outcome<GraphRequest>.Of(() =>
        {
            MemoryNeed.Require(model, length, request.Graph, MachineMemory.Bytes());
            return request;
        });
        if (asked.Failure is null) _fits = Math.Max(_fits, length);
        return asked.Failure;
    }

    private void Add(DatasetPart part, GraphSum sum, Line prompt)
    {
        Finished++;
        if (prompt.Run is { } run)
        {
            prompt.Run = null;   // it is large
            var contents = run.Contents();
            part.Add(Row(prompt.Number, run, (GraphRunRecord)contents.Record), contents, DatasetMean.Moved(prompt.Number, run.Graph));
            sum.Add(run.Graph.Nodes);
            return;
        }
        part.Add(new PromptRow(prompt.Task?.Id ?? $"line:{prompt.Number}", prompt.Number)
        {
            Label = prompt.Task?.Label,
            Prompt = prompt.Task?.Prompt,
            PatchPrompt = prompt.Task?.PatchPrompt,
            Error = prompt.Failure!.Message,
        });
        Failures++;
        Failed(prompt.Number, prompt.Failure);
    }

    // of parts that are missing all prompts are to be done
    private void Begin(int[] ours, List<int> missing, IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines, string stage)
    {
        _of = ours.Sum(part => Of(part, lines).Count());
        _done = _beforeNow = _of - missing.Sum(part => Of(part, lines).Count());
        (_stage, _start) = (stage, Stopwatch.GetTimestamp());
        if (missing.Count > 0) Report();
    }

    // by any lane
    private void Ended()
    {
        lock (_counting)
        {
            _done++;
            Report();
        }
    }

    private void Report()
    {
        var done = _done - _beforeNow;
        var seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
        Progress?.Report(new DatasetProgress(_done, _of, done > 0 ? done / seconds : null) { Stage = _stage });
    }

    private static PromptRow Row(int line, GraphRun run, GraphRunRecord record) => new(run.Task.Id!, line)
    {
        Label = run.Task.Label,
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
            foreach (var text in (string?[])[$"{line}", task?.Id, task?.Prompt, task?.Target, task?.Foil, task?.PatchPrompt, task?.Label,
                error])
            {
                hash.AppendData(Encoding.UTF8.GetBytes(text is null ? "-" : $"{text.Length}:{text}"));
            }
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
