using System.Reflection;
using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>run.json: what was asked, what came out, and what it took. What is no number (NaN) is null.</summary>
internal static class RunDescription
{
    public static string ProgramVersion { get; } =
        typeof(RunDescription).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>One prompt's run.</summary>
    public static JsonObject Of(GraphRun run)
    {
        var graph = run.Graph;
        var facts = new JsonObject();
        AddPrompt(facts, run.Model, run.Task, run.Tokens, run.PrependBos);
        AddMetric(facts, run.Model, graph.Metric, graph.CleanMetric, graph.PatchMetric, graph.TopTokens);
        AddGraph(facts, run.Model, run.Request, graph.Nodes, graph.Edges);
        facts["conservation_violation"] = graph.ConservationViolation is { } v ? Number(v) : null;
        facts["runtime_calls"] = graph.RuntimeCalls;
        facts["operations"] = graph.Operations;
        facts["seconds"] = Number(run.Model.OpenSeconds + graph.Timings.Values.Sum());
        facts["timings"] = Timings(run.Model.OpenSeconds, run.SessionSeconds, graph.Timings);
        AddProgram(facts, run.Model, run.Request.CommandLine);
        return facts;
    }

    /// <summary>The merged graph of many prompts.</summary>
    /// <param name="runs">The prompts' ids and what their graphs took; their nodes and edges are not read.</param>
    public static JsonObject OfMerged(LoadedModel model, GraphRequest request, IReadOnlyList<(string Id, CausalGraph Graph)> runs,
        (IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges) graph)
    {
        var facts = new JsonObject
        {
            ["merged"] = true,
            ["prompts"] = runs.Count,
            ["ids"] = Array(runs, r => r.Id),
            ["metric"] = Metric.NameOf(request.Graph.Metric.Kind),
            ["clean_metric"] = Number(runs.Average(r => r.Graph.CleanMetric)),
            ["patch_metric"] = Number(runs.Average(r => r.Graph.PatchMetric)),
        };
        AddGraph(facts, model, request with { SumOverPositions = true }, graph.Nodes, graph.Edges);
        facts["runtime_calls"] = runs.Sum(r => r.Graph.RuntimeCalls);
        facts["operations"] = runs.Sum(r => r.Graph.Operations);
        facts["seconds"] = Number(model.OpenSeconds + runs.Sum(r => r.Graph.Timings.Values.Sum()));
        AddProgram(facts, model, request.CommandLine);
        return facts;
    }

    internal static void AddPrompt(JsonObject facts, LoadedModel model, PromptTask task, PromptTokens tokens, bool prependBos)
    {
        var text = model.TokenText;
        facts["prompt"] = task.Prompt;
        facts["patch_prompt"] = task.PatchPrompt;
        if (task.Id is not null) facts["id"] = task.Id;
        facts["prepend_bos"] = prependBos;
        facts["tokens"] = Array(tokens.Clean, t => t);
        facts["token_strings"] = Array(tokens.Clean, t => text(t));
        facts["patch_tokens"] = tokens.Patch is { } p ? Array(p, t => t) : null;
        facts["patch_token_strings"] = tokens.Patch is { } q ? Array(q, t => text(t)) : null;
    }

    /// <param name="patch">NaN without a patch run.</param>
    internal static void AddMetric(JsonObject facts, LoadedModel model, Metric metric, float clean, float patch,
        IReadOnlyList<(int Token, float Probability)> topTokens)
    {
        var text = model.TokenText;
        int? target = metric.Kind == MetricKind.Kl ? null : metric.Target, foil = metric.Kind == MetricKind.LogitDiff ? metric.Foil : null;
        facts["metric"] = Metric.NameOf(metric.Kind);
        facts["position"] = metric.Position;
        facts["target"] = target is { } a ? text(a) : null;
        facts["target_id"] = target;
        facts["foil"] = foil is { } b ? text(b) : null;
        facts["foil_id"] = foil;
        facts["clean_metric"] = Number(clean);
        facts["patch_metric"] = Number(patch);
        facts["top_tokens"] =
            Array(topTokens, t => new JsonObject { ["id"] = t.Token, ["token"] = text(t.Token), ["probability"] = Number(t.Probability) });
    }

    private static void AddGraph(JsonObject facts, LoadedModel model, GraphRequest request, IReadOnlyList<CausalNode> nodes,
        IReadOnlyList<CausalEdge> edges)
    {
        var shares = SiteShare.Of(nodes, model.Selected);
        facts["sites"] = Array(model.Selected, s => s.Name);
        facts["options"] = Options(request, model.Context);
        facts["nodes"] = nodes.Count;
        facts["kept_nodes"] = nodes.Count(n => n.Kept);
        facts["edges"] = edges.Count;
        facts["explained_by_features"] = Number(SiteShare.Total(shares));
        facts["explained_by_site"] =
            new JsonObject(shares.Select(s => KeyValuePair.Create(s.Site.Name, (JsonNode?)Number(s.ExplainedByFeatures))));
    }

    private static JsonObject Options(GraphRequest request, RunContext context)
    {
        var o = request.Graph;
        return new JsonObject
        {
            ["method"] = EnumName.Of(o.Method),
            ["estimator"] = EnumName.Of(o.Estimator),
            ["steps"] = o.Method == EffectMethod.Ig ? o.Steps : null,
            ["top_nodes"] = o.TopNodes,
            ["node_threshold"] = Number(o.NodeThreshold),
            ["top_edges"] = o.TopEdges,
            ["edge_threshold"] = Number(o.EdgeThreshold),
            ["prune"] = o.Prune,
            ["aggregate"] = request.SumOverPositions ? "sum" : "none",
            ["memory_bytes"] = context.MemoryBudget,
        };
    }

    internal static JsonObject Timings(double open, double sessions, IReadOnlyDictionary<string, double> stages)
    {
        var result = new JsonObject { ["open"] = Number(open) };
        foreach (var (stage, seconds) in stages) result[stage.Replace(' ', '_')] = Number(seconds);
        result["sessions"] = Number(sessions);   // a part of the stages, not beside them
        return result;
    }

    internal static void AddProgram(JsonObject facts, LoadedModel model, string? commandLine)
    {
        var context = model.Context;
        facts["peak_memory_bytes"] = RunContext.PeakMemory();
        facts["model"] = model.Name;
        facts["model_path"] = model.Path;
        if (NeuronpediaIds(model) is { Count: > 0 } ids) facts["neuronpedia_ids"] = ids;
        facts["bundle_sha256"] = model.BundleHash;
        facts["device"] = EnumName.Of(context.Device);
        facts["threads"] = context.Threads;
        facts["program"] = "onnx-attribution";
        facts["version"] = ProgramVersion;
        facts["onnxruntime_version"] = RunContext.RuntimeVersion;
        facts["command_line"] = commandLine;
        facts["finished_at"] = DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
    }

    private static JsonObject NeuronpediaIds(LoadedModel model) =>
        new(model.Selected.Select(s => KeyValuePair.Create(s.Name, model.DictionaryOf(s)?.NeuronpediaId))
            .Where(p => p.Value is not null)
            .Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value)));

    internal static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;

    // as the shortest text that brings the float back, and not its digits as a double
    internal static JsonValue? Number(float value) => float.IsFinite(value) ? JsonValue.Create(value) : null;

    internal static JsonArray Array<T>(IEnumerable<T> items, Func<T, JsonNode?> of) => [.. items.Select(of)];
}
