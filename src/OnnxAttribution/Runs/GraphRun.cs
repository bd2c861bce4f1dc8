using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>One prompt's graph, with all that its run directory says of it.</summary>
public sealed class GraphRun
{
    public required LoadedModel Model { get; init; }
    public required PromptTask Task { get; init; }
    public required GraphRequest Request { get; init; }
    public required PromptTokens Tokens { get; init; }
    public required bool PrependBos { get; init; }

    /// <summary>Position by position, or summed over positions where that was asked for.</summary>
    public required CausalGraph Graph { get; init; }

    /// <summary>Time spent making sessions for this prompt, which its stages contain.</summary>
    public required double SessionSeconds { get; init; }

    /// <summary>One prompt's graph.</summary>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static GraphRun Find(LoadedModel model, PromptTask task, GraphRequest request)
    {
        var prependBos = request.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task, model.Tokenizer, prependBos);
        var sessionsBefore = model.Context.SessionTime;
        var options = request.Graph with { Metric = request.Graph.Metric with { Target = tokens.Target, Foil = tokens.Foil } };
        return new GraphRun
        {
            Model = model,
            Task = task,
            Request = request,
            Tokens = tokens,
            PrependBos = prependBos,
            Graph = request.SumOverPositions
                ? GraphFinder.FindSummed(model, tokens.Clean, tokens.Patch, options)
                : GraphFinder.Find(model, tokens.Clean, tokens.Patch, options),
            SessionSeconds = (model.Context.SessionTime - sessionsBefore).TotalSeconds,
        };
    }

    /// <summary>Writes the run directory, whole or not at all.</summary>
    /// <returns>run.json.</returns>
    /// <exception cref="RunDirectoryException">The path is taken or cannot be written.</exception>
    public GraphRunRecord Write(string path, bool force)
    {
        var record = Record();
        var metricPosition = Request.SumOverPositions ? TokenPosition.All : Graph.Metric.Position;
        RunDirectory.Write(path, new RunContents(GraphRows.Of(Graph.Nodes, TextAt), GraphRows.Of(Graph.Edges), metricPosition, record),
            force, Model.Context.Cancel);
        return record;
    }

    /// <summary>Checks the run, written to <paramref name="path"/>, and adds to it what was found.</summary>
    /// <returns>run.json, as it is then.</returns>
    /// <exception cref="ValidationException">The run is summed over positions.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run stays as it was written.</exception>
    public GraphRunRecord Validate(string path, ValidationRequest request, IProgress<string>? progress = null)
    {
        var cancel = Model.Context.Cancel;
        var finished = FinishedRun.Read(path, cancel);
        ValidationRun.Of(finished, Model, request, progress).Write(cancel);
        return finished.Record;
    }

    /// <summary>Text of the token at a position; '' where a node stands at none.</summary>
    public string TextAt(int position) => position < 0 ? "" : Model.TokenText(Tokens.Clean[position]);

    private GraphRunRecord Record()
    {
        var shares = SiteShare.Of(Graph.Nodes, Model.Selected);
        var record = new GraphRunRecord
        {
            CleanMetric = RecordParts.Finite(Graph.CleanMetric),
            PatchMetric = RecordParts.Finite(Graph.PatchMetric),
            Sites = RecordParts.Names(Model),
            Options = RecordParts.Options(Request, Model),
            Nodes = Graph.Nodes.Count,
            KeptNodes = Graph.Nodes.Count(n => n.Kept),
            Edges = Graph.Edges.Count,
            ExplainedByFeatures = RecordParts.Finite(SiteShare.Total(shares)),
            ExplainedBySite = RecordParts.BySite(shares),
            ConservationViolation = Graph.ConservationViolation is { } v ? RecordParts.Finite(v) : null,
            RuntimeCalls = Graph.RuntimeCalls,
            Operations = Graph.Operations,
            Seconds = RecordParts.Finite(Model.OpenSeconds + Graph.Timings.Values.Sum()),
            Timings = RecordParts.Timings(Model.OpenSeconds, SessionSeconds, Graph.Timings),
        };
        return record.WithPrompt(Model, Task, Tokens, PrependBos)
            .WithMetric(Model, Graph.Metric, Graph.TopTokens)
            .WithProgram(Model, Request.CommandLine);
    }
}
