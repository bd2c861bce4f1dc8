using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Comparison;

/// <summary>A comparison as JSON. A figure that is not defined (NaN) is null.</summary>
internal static class ComparisonJson
{
    /// <param name="strongest">So many nodes and edges are listed; 0: none.</param>
    public static JsonObject Of(RunComparison comparison, int strongest)
    {
        var json = new JsonObject
        {
            ["a"] = Side(comparison.A),
            ["b"] = Side(comparison.B),
            ["align"] = comparison.Alignment == RunAlignment.Feature ? "feature" : "position",
            ["nodes"] = Counts(comparison.NodeCounts),
            ["edges"] = Counts(comparison.EdgeCounts),
            ["notes"] = new JsonArray([.. comparison.Notes.Select(note => (JsonNode)note)]),
            ["program"] = ThisProgram.Name,
            ["version"] = ThisProgram.Version,
        };
        if (strongest == 0) return json;
        json["strongest_nodes"] = new JsonArray([.. comparison.Nodes.Take(strongest).Select(Node)]);
        json["strongest_edges"] = new JsonArray([.. comparison.Edges.Take(strongest).Select(Edge)]);
        return json;
    }

    private static JsonObject Side(ComparedSide side) => new()
    {
        ["run"] = side.Run,
        ["prompt"] = (side.Stored.Record as PromptRunRecord)?.Prompt,
        ["metric"] = side.Stored.Record.Metric,
        ["clean_metric"] = side.Stored.Record.CleanMetric,
        ["model"] = side.Stored.Record.Model,
    };

    private static JsonObject Counts(ComparedCounts counts) => new()
    {
        ["both"] = counts.Both,
        ["opposite"] = counts.Opposite,
        ["only_a"] = counts.OnlyA,
        ["only_b"] = counts.OnlyB,
        ["spearman"] = Number(counts.Spearman),
    };

    private static JsonObject Node(ComparedNode node) => new()
    {
        ["site"] = node.Site,
        ["position"] = node.Position,
        ["token_a"] = node.TokenA,
        ["token_b"] = node.TokenB,
        ["feature"] = node.Feature,
        ["presence"] = PresenceText.Of(node.Presence),
        ["effect_a"] = Number(node.EffectA),
        ["effect_b"] = Number(node.EffectB),
        ["activation_a"] = Number(node.ActivationA),
        ["activation_b"] = Number(node.ActivationB),
    };

    private static JsonObject Edge(ComparedEdge edge) => new()
    {
        ["up"] = End(edge.Up),
        ["down"] = End(edge.Down),
        ["presence"] = PresenceText.Of(edge.Presence),
        ["effect_a"] = Number(edge.EffectA),
        ["effect_b"] = Number(edge.EffectB),
    };

    private static JsonObject End(ComparedEnd end) => new()
    {
        ["site"] = end.Site,
        ["position"] = end.Position,
        ["feature"] = end.Feature,
    };

    private static JsonNode? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;

    private static JsonNode? Number(float value) => float.IsFinite(value) ? JsonValue.Create(value) : null;
}
