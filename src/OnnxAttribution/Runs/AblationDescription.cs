using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Files;

namespace OnnxAttribution.Runs;

/// <summary>run.json of naive ablation: the keys of a graph's as far as they apply, and what an effect is.</summary>
internal static class AblationDescription
{
    public static JsonObject Of(AblationRun run)
    {
        var graph = run.Graph;
        var facts = new JsonObject { ["kind"] = "ablation" };
        RunDescription.AddPrompt(facts, run.Model, run.Task, run.Tokens, run.PrependBos);
        RunDescription.AddMetric(facts, run.Model, graph.Metric, graph.CleanMetric, float.NaN, graph.TopTokens);
        facts["effect_is"] = "change of the downstream activation";
        facts["node_effect_is"] = "change of the metric";
        facts["sites"] = RunDescription.Array(run.Model.Selected, s => s.Name);
        facts["options"] = Options(run.Request.Ablation, graph.MinPath, run.Model.Context.MemoryBudget);
        facts["nodes"] = graph.Nodes.Count;
        facts["kept_nodes"] = graph.Nodes.Count(n => n.Kept);
        facts["ablated_nodes"] = graph.Ablated;
        facts["edges"] = graph.Edges.Count;
        facts["edges_seen"] = graph.EdgesSeen;
        facts["chains"] = RunDescription.Array(graph.Chains, c => Chain(graph, c));
        facts["runtime_calls"] = graph.RuntimeCalls;
        facts["operations"] = graph.Operations;
        facts["seconds"] = RunDescription.Number(run.Model.OpenSeconds + graph.Timings.Values.Sum());
        facts["timings"] = RunDescription.Timings(run.Model.OpenSeconds, run.SessionSeconds, graph.Timings);
        RunDescription.AddProgram(facts, run.Model, run.Request.CommandLine);
        return facts;
    }

    private static JsonObject Options(AblationOptions o, int minPath, long memoryBudget) => new()
    {
        ["coefficient"] = RunDescription.Number(o.Coefficient),
        ["positions"] = EnumName.Of(o.Positions),
        ["measure"] = EnumName.Of(o.Measure),
        ["top_edges"] = o.TopEdges,
        ["threshold"] = RunDescription.Number(o.Threshold),
        ["min_path"] = minPath,
        ["logits"] = o.Logits,
        ["memory_bytes"] = memoryBudget,
    };

    // nodes one more than effects: effects[i] is that of nodes[i] on nodes[i + 1]
    private static JsonObject Chain(AblationGraph graph, IReadOnlyList<int> chain)
    {
        // where one edge ends and the next begins they may name different positions of the same feature; the end says which
        var nodes = chain.Select(e => graph.Edges[e].Down).Prepend(graph.Edges[chain[0]].Up).Select(i => graph.Nodes[i]);
        return new JsonObject
        {
            ["nodes"] = RunDescription.Array(nodes, n => new JsonObject
            {
                ["site"] = n.Site.Name,
                ["position"] = n.Position,
                ["feature"] = n.Feature
            }),
            ["effects"] = RunDescription.Array(chain, e => RunDescription.Number(graph.Edges[e].Effect)),
        };
    }
}
