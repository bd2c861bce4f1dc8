using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>features --text</c> prints when it is done.</summary>
internal sealed class FeatureSummaryReport(FeatureSummary summary, double seconds)
{
    public JsonObject ToJson() => new()
    {
        ["file"] = summary.File,
        ["features"] = summary.Features,
        ["dead"] = summary.Dead,
        ["sites"] = new JsonArray([.. summary.Sites.Select(s => JsonValue.Create(s))]),
        ["tokens"] = summary.Tokens,
        ["documents"] = summary.Documents,
        ["sequences"] = summary.Sequences,
        ["resumed_at_token"] = summary.ResumedAt,
        ["passes"] = summary.Passes,
        ["tokens_per_second"] = summary.TokensPerSecond,
        ["read_seconds"] = summary.ReadSeconds,
        ["write_seconds"] = summary.WriteSeconds,
        ["seconds"] = seconds,
        ["peak_memory_bytes"] = RunContext.PeakMemory(),
    };

    public void Print(TextWriter output)
    {
        output.WriteLine($"read     {summary.Tokens:N0} tokens of {summary.Documents:N0} document{(summary.Documents == 1 ? "" : "s")} in "
            + $"{summary.Sequences:N0} sequences{(summary.Passes > 1 ? $", {summary.Passes} times" : "")}"
            + (summary.ResumedAt > 0 ? $"; went on from token {summary.ResumedAt:N0}" : ""));
        output.WriteLine($"wrote    {Screen.Count(summary.Features, "feature")} of {Screen.Count(summary.Sites.Count, "site")}, "
            + $"{summary.Dead:N0} of them dead on this text: {summary.File}, {Screen.Bytes(new FileInfo(summary.File).Length)}");
        output.WriteLine($"time     {seconds:0.0} s (reading {summary.ReadSeconds:0.0}, writing {summary.WriteSeconds:0.0}), "
            + $"{summary.TokensPerSecond:N0} tokens per second, peak memory {Screen.Bytes(RunContext.PeakMemory())}");
    }
}
