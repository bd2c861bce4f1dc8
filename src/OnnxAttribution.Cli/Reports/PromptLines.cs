using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Reports;

/// <summary>The lines that say what was asked: tokens, the likeliest next ones, the metric.</summary>
internal static class PromptLines
{
    private const int TopTokens = 5;

    /// <param name="facts">run.json.</param>
    public static void Print(JsonObject facts, TextWriter output)
    {
        output.WriteLine($"prompt   {Tokens(facts, "token_strings")}");
        if (facts["patch_tokens"] is not null) output.WriteLine($"patch    {Tokens(facts, "patch_token_strings")}");
        var next = facts["top_tokens"]!.AsArray().Take(TopTokens)
            .Select(t => $"{Quoted(t!["token"])} {Screen.Percent((float)t["probability"]!)}");
        output.WriteLine($"next     {string.Join("  ", next)}");
        var foil = facts["foil"] is null ? "" : $" over {Quoted(facts["foil"])}";
        var patched = facts["patch_metric"] is { } p ? $", patch {Screen.Number((float)p)}" : "";
        var estimator = (string?)facts["options"]!["estimator"] is { } e && e != "gradient" ? $", estimator {e}" : "";
        output.WriteLine($"metric   {(string)facts["metric"]!}{(facts["target"] is null ? "" : $" of {Quoted(facts["target"])}")}{foil} "
            + $"after position {(int)facts["position"]!}: clean {Screen.Number((float)facts["clean_metric"]!)}{patched}{estimator}");
    }

    private static string Tokens(JsonObject facts, string name) =>
        string.Join("  ", facts[name]!.AsArray().Select((t, i) => $"{i} {Quoted(t)}"));

    private static string Quoted(JsonNode? text) => DisplayText.Quoted((string)text!);
}
