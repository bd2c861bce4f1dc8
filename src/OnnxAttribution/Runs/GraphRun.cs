using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>One prompt's graph, with all that its run directory says of it.</summary>
public sealed class GraphRun
{
    /// <summary>The model that the graph was found on; it must be open for <see cref="Validate"/> and <see cref="TextAt"/>.</summary>
    public required LoadedModel Model { get; init; }

    /// <summary>The prompt as it was asked.</summary>
    public required PromptTask Task { get; init; }

    /// <summary>What was asked of every prompt.</summary>
    public required GraphRequest Request { get; init; }

    /// <summary>The prompt as token ids, BOS included.</summary>
    public required PromptTokens Tokens { get; init; }

    /// <summary>Whether the tokens begin with the BOS.</summary>
    public required bool PrependBos { get; init; }

    /// <summary>Position by position, or summed over positions where that was asked for.</summary>
    public required CausalGraph Graph { get; init; }

    /// <summary>Seconds spent making sessions for this prompt, which its stages contain.</summary>
    public required double SessionSeconds { get; init; }

    /// <summary>Draws one prompt's graph.</summary>
    /// <param name="model">Stays the caller's, and must be open as long as the run is written or validated.</param>
    /// <param name="task">The prompt, in words.</param>
    /// <param name="request">What is asked of it.</param>
    /// <exception cref="ArgumentNullException">There is no model, task or request.</exception>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    /// <exception cref="AttributionException">What was asked cannot be: the prompt is longer than the context, a position is outside of it,
    /// an activation overflows, the metric has no gradient for the method, or the machine has less memory than the graph needs at least.
    /// </exception>
    /// <exception cref="MemoryBudgetException">Not even one row fits the context's memory budget.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static GraphRun Find(LoadedModel model, PromptTask task, GraphRequest request)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(request);
        var prependBos = request.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task, model.Tokenizer, prependBos);
        var sessionsBefore = model.Context.SessionTime;
        var (clean, patch, options) = Asked(tokens, request);
        MemoryNeed.Require(model, clean.Length, options, MachineMemory.Bytes());
        var graph = request.SumOverPositions ? GraphFinder.FindSummed(model, clean, patch, options)
            : GraphFinder.Find(model, clean, patch, options);
        return new GraphRun
        {
            Model = model,
            Task = task,
            Request = request,
            Tokens = tokens,
            PrependBos = prependBos,
            Graph = graph,
            SessionSeconds = (model.Context.SessionTime - sessionsBefore).TotalSeconds,
        };
    }

    /// <summary>Draws the graphs of several prompts, side by side (<see cref="PromptGraphs"/>).</summary>
    /// <param name="prompts">With the tokens of each.</param>
    /// <param name="ended">Told of each prompt when it has ended, by any thread.</param>
    /// <returns>By prompt; a failure is its own.</returns>
    internal static IReadOnlyList<Outcome<GraphRun>> FindAll(LoadedModel model,
        IReadOnlyList<(PromptTask Task, PromptTokens Tokens)> prompts, GraphRequest request, Action? ended = null)
    {
        var graphs = PromptGraphs.Find(model, [.. prompts.Select(p => Asked(p.Tokens, request))], request.SumOverPositions, ended);
        return [.. graphs.Select((graph, i) => graph.Then(g => Of(model, prompts[i], request, g)))];
    }

    private static GraphRun Of(LoadedModel model, (PromptTask Task, PromptTokens Tokens) prompt, GraphRequest request, CausalGraph graph) =>
        new()
        {
            Model = model,
            Task = prompt.Task,
            Request = request,
            Tokens = prompt.Tokens,
            PrependBos = request.PrependBos ?? model.PrependsBos,
            Graph = graph,
            SessionSeconds = 0,
        };

    private static PromptRequest Asked(PromptTokens tokens, GraphRequest request) => new(tokens.Clean, tokens.Patch, request.Graph with
    {
        Metric = request.Graph.Metric with { Target = tokens.Target, Foil = tokens.Foil }
    });

    /// <summary>Writes the run directory, whole or not at all: nodes.parquet, edges.parquet and run.json.</summary>
    /// <param name="path">The directory to make; missing parents are made too.</param>
    /// <param name="mode">What is done where a run is there already.</param>
    /// <returns>What run.json holds.</returns>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled; nothing is left behind.</exception>
    public GraphRunRecord Write(string path, WriteMode mode = WriteMode.CreateNew) => Write(path, mode == WriteMode.Replace);

    internal GraphRunRecord Write(string path, bool force)
    {
        var contents = Contents();
        RunDirectory.Write(path, contents, force, Model.Context.Cancel);
        return (GraphRunRecord)contents.Record;
    }

    /// <summary>All that is written of it.</summary>
    internal RunContents Contents() => new(GraphRows.Of(Graph.Nodes, TextAt), GraphRows.Of(Graph.Edges),
        Request.SumOverPositions ? TokenPosition.All : Graph.Metric.Position, Record())
    {
        EdgeBytes = Model.Context.EdgeRoom.Bytes,
        SwitchedOn = GraphRows.Of(Graph.SwitchedOn),
        Tables = Tables(),
    };

    private Dictionary<string, StoredTable> Tables()
    {
        var tables = new Dictionary<string, StoredTable>();
        if (Request.Graph.Heads is not null) tables[HeadRow.Table] = RowTable.Of(HeadRows.Of(Graph));
        if (Graph.Outputs.Count > 0) tables[TargetRow.Table] = RowTable.Of(Graph.OutputEdges.Select(TargetRowOf));
        return tables;
    }

    private TargetRow TargetRowOf(OutputEdge edge)
    {
        var (output, up) = (Graph.Outputs[edge.Output], Graph.Nodes[edge.Up]);
        return new TargetRow(Model.TokenText(output.Token), output.Token, output.Probability, up.Site.Name, up.Position, up.Feature,
            edge.Weight);
    }

    /// <summary>Checks the run, written to <paramref name="path"/>, and adds to it what was found.</summary>
    /// <param name="path">The directory that <see cref="Write(string, WriteMode)"/> wrote.</param>
    /// <param name="request">How much is checked, against which estimators.</param>
    /// <param name="progress">Gets a line of text per stage.</param>
    /// <returns>What run.json holds then.</returns>
    /// <exception cref="ValidationException">The run is summed over positions, was made with another model,
    /// or an estimator to compare has nothing to say about the metric.</exception>
    /// <exception cref="RunDirectoryException">The path is no finished run, or cannot be added to.</exception>
    /// <exception cref="AttributionException">What the run asked for cannot be run again.</exception>
    /// <exception cref="ArgumentException">The sample is below 1, or there is no estimator of a name.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run stays as it was written.</exception>
    public GraphRunRecord Validate(string path, ValidationRequest request, IProgress<string>? progress = null)
    {
        var cancel = Model.Context.Cancel;
        var finished = FinishedRun.Read(path, cancel);
        ValidationRun.Find(finished, Model, request, progress).Write(cancel);
        return finished.Record;
    }

    /// <summary>Bounds what the run, written to <paramref name="path"/>, has left out, and adds to it what was found.</summary>
    /// <param name="path">The directory that <see cref="Write(string, WriteMode)"/> wrote.</param>
    /// <param name="request">How much is patched, and what counts as missed.</param>
    /// <param name="progress">Gets a line of text per stage.</param>
    /// <returns>What run.json holds then.</returns>
    /// <exception cref="ValidationException">The run is summed over positions, was made with another model or has dropped nothing, or
    /// what was asked cannot be.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The seed is below 0.</exception>
    /// <exception cref="RunDirectoryException">The path is no finished run, or cannot be added to.</exception>
    /// <exception cref="AttributionException">What the run asked for cannot be run again.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run stays as it was written.</exception>
    public GraphRunRecord Certify(string path, CertificateRequest request, IProgress<string>? progress = null)
    {
        var cancel = Model.Context.Cancel;
        var finished = FinishedRun.Read(path, cancel);
        CertificateRun.Find(finished, Model, request, progress).Write(cancel);
        return finished.Record;
    }

    /// <summary>Text of the token at a position; empty where a node stands for all of them.</summary>
    /// <param name="position">Token position from 0, BOS counted, or <see cref="TokenPosition.All"/>.</param>
    /// <exception cref="IndexOutOfRangeException">The prompt has no such position.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing or damaged.</exception>
    public string TextAt(int position) => position < 0 ? "" : Model.TokenText(Tokens.Clean[position]);

    private GraphRunRecord Record()
    {
        var shares = SiteShare.Measure(Graph.Nodes, Model.Selected);
        var record = new GraphRunRecord
        {
            CleanMetric = RecordParts.Finite(Graph.CleanMetric),
            PatchMetric = RecordParts.Finite(Graph.PatchMetric),
            Sites = RecordParts.Names(Model),
            Options = RecordParts.Options(Request, Model),
            Nodes = Graph.Nodes.Count,
            KeptNodes = Graph.Nodes.Count(n => n.Kept),
            Edges = Graph.Edges.Count,
            SwitchedOn = Request.Graph.Edges == EdgeMethod.Exact ? Graph.SwitchedOn.Count : null,
            MovedNodes = Graph.MovedNodes == 0 ? null : Graph.MovedNodes,
            ExactNodes = Graph.ExactNodes == 0 ? null : Graph.ExactNodes,
            ExplainedByFeatures = RecordParts.Finite(SiteShare.Total(shares)),
            ExplainedBySite = RecordParts.BySite(shares),
            ConservationViolation = Graph.ConservationViolation is { } v ? RecordParts.Finite(v) : null,
            Outputs = Graph.Outputs.Count == 0 ? null
                : [.. Graph.Outputs.Select(o => new OutputRecord(o.Token, Model.TokenText(o.Token), RecordParts.Finite(o.Probability),
                    RecordParts.Finite(o.Logit)))],
            ReplacementScore = Graph.ReplacementScore is { } replacement ? RecordParts.Finite(replacement) : null,
            CompletenessScore = Graph.CompletenessScore is { } completeness ? RecordParts.Finite(completeness) : null,
            HeadsViolation = Graph.HeadsViolation is { } heads ? RecordParts.Finite(heads) : null,
            RuntimeCalls = Graph.RuntimeCalls,
            Operations = Graph.Operations,
            EffectPasses = Graph.EffectPasses,
            Seconds = RecordParts.Finite(Model.OpenSeconds + Graph.Timings.Values.Sum()),
            Timings = RecordParts.Timings(Model.OpenSeconds, SessionSeconds, Graph.Timings),
        };
        return record.WithPrompt(Model, Task, Tokens, PrependBos)
            .WithMetric(Model, Graph.Metric, Graph.TopTokens, Graph.Probabilities)
            .WithProgram(Model, Request.CommandLine);
    }
}
