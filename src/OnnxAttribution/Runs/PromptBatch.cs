using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Many prompts, one opened model: a run directory per prompt and one of their mean, in <c>merged/mean</c>.</summary>
/// <param name="request">What every prompt is asked for.</param>
/// <param name="directory">The directory that the runs go to, each under its id.</param>
/// <param name="force">Replace runs that are there already.</param>
internal sealed class PromptBatch(LoadedModel model, GraphRequest request, string directory, bool force)
{
    private readonly List<GraphRunRecord> _runs = [];
    private readonly List<(int Line, string Message)> _errors = [];

    /// <summary>run.json of each finished run, in the file's order.</summary>
    public IReadOnlyList<GraphRunRecord> Runs => _runs;

    /// <summary>The lines that failed, by number, and why.</summary>
    public IReadOnlyList<(int Line, string Message)> Errors => _errors;

    /// <summary>The mean over the finished prompts, summed over positions (<see cref="GraphSum"/>); null while there is none.</summary>
    public SummedGraph? Merged { get; private set; }

    /// <summary>run.json of the merged graph.</summary>
    public MergedRunRecord? MergedRecord { get; private set; }

    /// <summary>The merged graph's run directory; null until it is written.</summary>
    internal string? MergedDirectory { get; private set; }

    /// <summary>What each run is put to once it is written.</summary>
    public RunChecks Checks { get; init; } = RunChecks.None;

    /// <summary>Told of each line that fails, as soon as it does.</summary>
    public required Action<int, Exception> Failed { get; init; }

    /// <summary>What is done with each run's directory once it is written and validated, and at last with the merged one's;
    /// it returns the peak memory that run.json has then, or null.</summary>
    public Func<string, long?>? Finish { get; init; }

    public IProgress<string>? Progress { get; init; }

    /// <summary>Refuses a directory in which some run is in the way, before the first is computed.</summary>
    /// <exception cref="RunDirectoryException">A run of that name exists and <paramref name="force"/> is off.</exception>
    public static void CheckFree(IEnumerable<(int Line, PromptTask? Task, string? Error)> lines, string directory, bool force)
    {
        if (DatasetNames.Is(directory)) throw RunDirectoryException.IsDataset(directory);
        foreach (var (_, task, _) in lines)
        {
            if (task is not null) RunDirectory.CheckFree(Path.Combine(directory, task.Id!), force);
        }
        RunDirectory.CheckMeanFree(directory, force);
    }

    /// <summary>Finds and writes all graphs. A line that fails is noted and does not stop the others;
    /// cancelled, what was finished stays, each run whole.</summary>
    /// <exception cref="OperationCanceledException">The session's context was cancelled.</exception>
    public void Run(IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines)
    {
        var sum = new GraphSum(model.Selected);
        var finished = new List<(string Id, PromptTokens Tokens, CausalGraph Graph)>();
        foreach (var (line, task, error) in lines)
        {
            Progress?.Report($"line {line} of {lines[^1].Line}");
            try
            {
                var run = GraphRun.Find(model, task ?? throw new PromptException(error!), request);
                var path = Path.Combine(directory, task.Id!);
                var record = run.Write(path, force);
                sum.Add(run.Graph.Nodes);
                var rest = run.Graph with { Nodes = [], Edges = [], SwitchedOn = [], HeadParts = [], OutputEdges = [] };
                finished.Add((task.Id!, run.Tokens, rest));
                _runs.Add(record);
                _runs[^1] = Checks.Apply(run, path, record, null);
                if (Finish?.Invoke(path) is { } peak) _runs[^1] = _runs[^1] with { PeakMemoryBytes = peak };
            }
            catch (Exception e) when (e is PromptException or AttributionException or RunDirectoryException or ValidationException
                or Runtime.MemoryBudgetException)
            {
                _errors.Add((line, e.Message));
                Failed(line, e);
            }
        }
        if (sum.Count == 0) return;
        Merge(sum, finished);
        var merged = Merged!;
        var contents = new RunContents(GraphRows.Of(merged.Nodes, _ => ""), GraphRows.Of(merged.Edges), TokenPosition.All, MergedRecord!)
        {
            SwitchedOn = GraphRows.Of(merged.SwitchedOn),
        };
        MergedDirectory = RunDirectory.WriteMean(directory, contents, force, model.Context.Cancel);
        if (Finish?.Invoke(MergedDirectory) is { } most) MergedRecord = MergedRecord! with { PeakMemoryBytes = most };
    }

    // the merged graph's nodes are known only when all prompts are through, so each is run again for the edges between them,
    // with the effects of nodes that were really moved as they were found
    private void Merge(GraphSum sum, List<(string Id, PromptTokens Tokens, CausalGraph Graph)> finished)
    {
        sum.ChooseNodes(request.Graph);
        for (var i = 0; i < finished.Count; i++)
        {
            Progress?.Report($"merging {i + 1} of {finished.Count}");
            var (id, tokens, graph) = finished[i];
            var (start, calls) = (Stopwatch.GetTimestamp(), model.Context.Calls);
            var options = request.Graph with { Metric = MetricRequest.Of(graph.Metric) };
            var (_, operations) = GraphFinder.AddEdges(model, tokens, options, graph.Measured, sum);
            finished[i] = (id, tokens, graph with
            {
                RuntimeCalls = graph.RuntimeCalls + model.Context.Calls - calls,
                Operations = graph.Operations + operations,
                Timings = new Dictionary<string, double>(graph.Timings) { ["merging"] = Stopwatch.GetElapsedTime(start).TotalSeconds },
            });
        }
        var nodes = sum.Nodes;
        var edges = Selection.KeepEdges(nodes, sum.Edges, request.Graph);
        Merged = new SummedGraph(nodes, edges, Selection.KeepSwitchedOn(nodes, sum.SwitchedOn, edges, request.Graph));
        MergedRecord = Record([.. finished.Select(f => (f.Id, f.Graph))], Merged);
    }

    /// <param name="runs">The prompts' ids and what their graphs took; their nodes and edges are not read.</param>
    private MergedRunRecord Record(IReadOnlyList<(string Id, CausalGraph Graph)> runs, SummedGraph graph)
    {
        var shares = SiteShare.Measure(graph.Nodes, model.Selected);
        return new MergedRunRecord
        {
            Prompts = runs.Count,
            Ids = [.. runs.Select(r => r.Id)],
            Metric = Metric.NameOf(request.Graph.Metric.Kind),
            CleanMetric = RecordParts.Finite(runs.Average(r => r.Graph.CleanMetric)),
            PatchMetric = RecordParts.Finite(runs.Average(r => r.Graph.PatchMetric)),
            Sites = RecordParts.Names(model),
            Options = RecordParts.OfMean(request, model),
            Nodes = graph.Nodes.Count,
            KeptNodes = graph.Nodes.Count(n => n.Kept),
            Edges = graph.Edges.Count,
            SwitchedOn = request.Graph.Edges == EdgeMethod.Exact ? graph.SwitchedOn.Count : null,
            ExplainedByFeatures = RecordParts.Finite(SiteShare.Total(shares)),
            ExplainedBySite = RecordParts.BySite(shares),
            RuntimeCalls = runs.Sum(r => r.Graph.RuntimeCalls),
            Operations = runs.Sum(r => r.Graph.Operations),
            Seconds = RecordParts.Finite(model.OpenSeconds + runs.Sum(r => r.Graph.Timings.Values.Sum())),
        }.WithProgram(model, request.CommandLine);
    }
}
