using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View;

/// <summary>A run whose prompt and tokens try to be something else than text.</summary>
internal static class HostileRun
{
    public const string Script = "</script><img src=x onerror=alert(1)>";

    public static readonly string[] Tokens = [Script, "\"'`&amp;<!--", "{{data}}]]>\u2028\0\ud83d\ude00", "\\\n\r\t<svg onload=alert(2)>"];

    public const string Upstream = "blocks.0.hook_resid_pre", Downstream = "blocks.0.hook_resid_post";

    public static readonly NodeRow[] Nodes =
    [
        new(Upstream, 0, "resid", 0, Tokens[0], 7, 1.5f, 0, -0.25f, 0.375f, true),
        new(Upstream, 0, "resid", 1, Tokens[1], NodeRow.Error, 3, 0, float.NaN, -1.5f, true),
        new(Upstream, 0, "resid", 2, Tokens[2], 7, 2, 0, 0.5f, float.NaN, false),
        new(Downstream, 0, "resid", 3, Tokens[3], 11, 4, 0, 2, -8, true),
    ];

    public static readonly CausalEdge[] Edges =
    [
        new(0, 3, -0.5f, 1.5f),
        new(1, 3, float.NaN, -1.5f),
        new(3, CausalEdge.Metric, 2, -8),
    ];

    public static JsonObject Facts => new()
    {
        ["prompt"] = string.Concat(Tokens),
        ["tokens"] = new JsonArray(1, 2, 3, 4),
        ["token_strings"] = new JsonArray([.. Tokens.Select(t => (JsonNode)t)]),
        ["metric"] = "logit",
        ["position"] = 3,
        ["target"] = Script,
        ["target_id"] = 5,
        ["clean_metric"] = 12.5,
        ["patch_metric"] = null,
        ["top_tokens"] = new JsonArray(new JsonObject { ["id"] = 5, ["token"] = Script, ["probability"] = 0.75 }),
        ["sites"] = new JsonArray(Upstream, Downstream),
        ["options"] = new JsonObject { ["method"] = "atp", ["estimator"] = "gradient" },
        ["explained_by_features"] = 0.9,
        ["model"] = "<b>model</b>",
        ["model_path"] = "nowhere/<i>",
        ["neuronpedia_ids"] = new JsonObject { [Upstream] = "gpt2-small/0-res-jb" },
        ["command_line"] = $"onnx-attribution graph --prompt '{Script}'",
    };

    public static string Write(string path)
    {
        RunDirectory.Write(path, new RunContents(Nodes, [Edges], 3, Facts.ToRecord()), force: false);
        return path;
    }
}
