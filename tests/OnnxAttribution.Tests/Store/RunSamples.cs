using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.Store;

/// <summary>A small run with every odd thing a run may hold.</summary>
internal static class RunSamples
{
    public const int MetricPosition = 2;

    public static readonly NodeRow[] Nodes =
    [
        new("blocks.0.hook_resid_pre", 0, "resid", 0, "it's \"odd\"\n\r\t,;", 7, 1.5f, 0f, -0.25f, 0.125f, true) { Component = 1 },
        new("blocks.0.hook_resid_pre", 0, "resid", 1, "", NodeRow.Error, 3f, 1f, float.NaN, -1e-30f, true) { Component = 1 },
        new("blocks.0.hook_mlp_out", 0, "mlp", 2, "😀\0é�", 24575, float.MaxValue, float.Epsilon, 1f / 3, -2f, true) { Component = 1 },
        new("blocks.10.hook_mlp_out", 10, "mlp", 2, " the", 0, 0f, 0f, 0f, 0f, false),
    ];

    public static readonly CausalEdge[] Edges =
    [
        new(0, 2, 0.5f, -0.25f),
        new(1, 2, float.NaN, 0.75f),
        new(0, CausalEdge.Metric, 1f / 3, 1e-20f),
        new(2, CausalEdge.Metric, -1f, -3f),
        new(0, 1, float.NaN, 0f),
    ];

    /// <summary>The edges as the file orders them: blocks.0.hook_mlp_out,
    /// blocks.0.hook_resid_pre, metric; by falling |effect| within.</summary>
    public static readonly CausalEdge[] SortedEdges = [Edges[1], Edges[0], Edges[4], Edges[3], Edges[2]];

    public static JsonObject Facts => new()
    {
        ["prompt"] = "When Mary's \"friend\"\nsaid 😀",
        ["patch_prompt"] = null,
        ["model"] = "gpt2",
        ["metric"] = "logit-diff",
        ["calls"] = 74,
        ["threshold"] = 0.5,
        ["centred"] = true,
        ["tokens"] = new JsonArray(1, 2),
    };

    public static string Write(AwkwardDirectory directory, string name = "run", JsonObject? facts = null, bool force = false)
    {
        RunDirectory.Write(directory[name], new RunContents(Nodes, [Edges], MetricPosition, (facts ?? Facts).ToRecord()), force);
        return directory[name];
    }

    /// <summary>Rows of a query over a run, one text per row with cells joined by |.</summary>
    public static string[] Ask(string run, string sql)
    {
        using var result = new RunQuery([run]).Execute(sql);
        return [.. result.Rows().Select(row => string.Join('|', row.Select(cell => cell ?? "NULL")))];
    }
}
