using OnnxAttribution.Ablation;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>One prompt whose features were ablated one at a time, with all that its run directory says of it.</summary>
internal sealed class AblationRun
{
    public required LoadedModel Model { get; init; }
    public required PromptTask Task { get; init; }
    public required AblationRequest Request { get; init; }
    public required PromptTokens Tokens { get; init; }
    public required bool PrependBos { get; init; }
    public required AblationGraph Graph { get; init; }

    /// <summary>Time spent making sessions for this prompt, which its stages contain.</summary>
    public required double SessionSeconds { get; init; }

    /// <summary>Ablates every active feature of one prompt.</summary>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used, or there is a patch prompt.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="OperationCanceledException">The session's context was cancelled.</exception>
    public static AblationRun Find(LoadedModel model, PromptTask task, AblationRequest request, IProgress<string>? progress = null)
    {
        if (task.PatchPrompt is not null)
        {
            throw new PromptException("features are ablated within one prompt, so a patch prompt means nothing here; "
                + "leave it out, or draw a graph of both prompts")
            {
                Next = new NextStep(StepKind.DrawGraph)
            };
        }
        var prependBos = request.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task, model.Tokenizer, prependBos);
        var before = model.Context.SessionTime;
        var graph = AblationFinder.Find(model, tokens.Clean,
            request.Ablation with { Metric = request.Ablation.Metric with { Target = tokens.Target, Foil = tokens.Foil } }, progress);
        return new AblationRun
        {
            Model = model,
            Task = task,
            Request = request,
            Tokens = tokens,
            PrependBos = prependBos,
            Graph = graph,
            SessionSeconds = (model.Context.SessionTime - before).TotalSeconds,
        };
    }

    /// <summary>Writes the run directory, whole or not at all:
    /// nodes, edges, run.json and, where the metric was asked for, <c>tokens.parquet</c>.</summary>
    /// <returns>run.json.</returns>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written.</exception>
    public AblationRunRecord Write(string path, bool force)
    {
        var record = Record();
        var tables = new Dictionary<string, StoredTable>();
        if (Request.Ablation.Logits) tables[TokenRow.Table] = TokenTable();
        RunDirectory.Write(path,
            new RunContents(GraphRows.Of(Graph.Nodes, TextAt), GraphRows.Of(Graph.Edges), Graph.Metric.Position, record)
            {
                Tables = tables
            },
            force, Model.Context.Cancel);
        return record;
    }

    /// <summary>Text of the token at a position; '' where a node stands for all positions.</summary>
    public string TextAt(int position) => position < 0 ? "" : Model.TokenText(Tokens.Clean[position]);

    private AblationRunRecord Record()
    {
        var record = new AblationRunRecord
        {
            CleanMetric = RecordParts.Finite(Graph.CleanMetric),
            EffectIs = "change of the downstream activation",
            NodeEffectIs = "change of the metric",
            Sites = RecordParts.Names(Model),
            Options = Options(),
            Nodes = Graph.Nodes.Count,
            KeptNodes = Graph.Nodes.Count(n => n.Kept),
            AblatedNodes = Graph.Ablated,
            Edges = Graph.Edges.Count,
            EdgesSeen = Graph.EdgesSeen,
            Chains = [.. Graph.Chains.Select(Chain)],
            RuntimeCalls = Graph.RuntimeCalls,
            Operations = Graph.Operations,
            Seconds = RecordParts.Finite(Model.OpenSeconds + Graph.Timings.Values.Sum()),
            Timings = RecordParts.Timings(Model.OpenSeconds, SessionSeconds, Graph.Timings),
        };
        return record.WithPrompt(Model, Task, Tokens, PrependBos)
            .WithMetric(Model, Graph.Metric, Graph.TopTokens, Graph.Probabilities)
            .WithProgram(Model, Request.CommandLine);
    }

    private AblationOptionsRecord Options()
    {
        var o = Request.Ablation;
        return new AblationOptionsRecord
        {
            Coefficient = RecordParts.Finite(o.Coefficient),
            Positions = EnumName.Of(o.Positions),
            Measure = EnumName.Of(o.Measure),
            TopEdges = o.TopEdges,
            Threshold = RecordParts.Finite(o.Threshold),
            MinPath = Graph.MinPath,
            Logits = o.Logits,
            MemoryBytes = Model.Context.MemoryBudget,
        };
    }

    private ChainRecord Chain(IReadOnlyList<int> chain)
    {
        // where one edge ends and the next begins they may name different positions of the same feature; the end says which
        var nodes = chain.Select(e => Graph.Edges[e].Down).Prepend(Graph.Edges[chain[0]].Up).Select(i => Graph.Nodes[i]);
        return new ChainRecord([.. nodes.Select(RecordParts.Node)], [.. chain.Select(e => RecordParts.Finite(Graph.Edges[e].Effect))]);
    }

    private StoredTable TokenTable() => RowTable.Of(Graph.Tokens.Select(moved =>
    {
        var (node, change) = (Graph.Nodes[moved.Node], moved.Change);
        return new TokenRow(node.Site.Name, node.Position, node.Feature, change.Change > 0 ? "up" : "down", moved.Rank, change.Token,
            Model.TokenText(change.Token), (float)change.Clean, (float)change.Ablated, (float)change.Change);
    }));
}
