using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.View;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>graph --prompts --directories</c> prints: a line per prompt, and the merged graph.</summary>
internal static class BatchReport
{
    private const int ShownPrompt = 45;

    /// <param name="index">The page that lists the prompts; null: there is none.</param>
    public static void Write(PromptBatch batch, string? index, bool json, TextWriter output, double seconds)
    {
        var merged = batch.Merged is not { } m ? null
            : new GraphReport(new ReportedGraph(batch.MergedRecord!, m.Nodes, m.Edges, m.SwitchedOn, _ => ""), batch.MergedDirectory!,
                null, seconds);
        if (json)
        {
            Screen.WriteJson(output, new JsonObject
            {
                ["runs"] = new JsonArray([.. batch.Runs.Select(RunJson.ToObject)]),
                ["merged"] = merged?.ToJson(),
                ["page"] = index,
                ["errors"] = new JsonArray([.. batch.Errors.Select(e => new JsonObject { ["line"] = e.Line, ["message"] = e.Message })]),
                ["seconds_in_all"] = seconds,
            });
            return;
        }
        var validated = batch.Runs.Any(r => r.Validation is not null);
        var certified = batch.Runs.Any(r => r.Certificate is not null);
        string[] further = [.. validated ? (string[])["#nodes' Pearson", "#edges' Pearson"] : [],
            .. certified ? (string[])["#no node missed above"] : []];
        var table = Screen.Table("Runs", ["id", "prompt", "target", "#clean", "#patch", "#by features", "#seconds", .. further]);
        foreach (var r in batch.Runs)
        {
            string[] figures = [.. validated
                ? new[] { r.Validation?.Nodes, r.Validation?.Edges }.Select(a => NumberText.Correlation(a?.Pearson)) : [],
                .. certified ? (string[])[NumberText.Of(r.Certificate?.Nodes?.Bound)] : []];
            table.AddRow([r.Id ?? "", DisplayText.QuotedStart(r.Prompt ?? "", ShownPrompt),
                r.Target is null ? "" : DisplayText.Quoted(r.Target), Value(r.CleanMetric), Value(r.PatchMetric),
                r.ExplainedByFeatures is { } e ? Screen.Percent(e) : "–",
                $"{r.Timings!.Where(t => t.Key is not ("open" or "sessions")).Sum(t => t.Value):0.00}", .. figures]);
        }
        Screen.On(output).Write(table);
        WriteEnd(batch, merged, index, output, seconds);
    }

    private static void WriteEnd(PromptBatch batch, GraphReport? merged, string? index, TextWriter output, double seconds)
    {
        if (merged is not null)
        {
            output.WriteLine($"merged: the mean over {batch.Runs.Count} prompts, summed over positions");
            merged.PrintGraph(output);
        }
        output.WriteLine($"time {seconds:0.00} s for {batch.Runs.Count} "
            + $"prompts{(batch.Errors.Count > 0 ? $"; {batch.Errors.Count} lines failed" : "")}");
        if (index is not null) output.WriteLine($"page {index}: open it in a browser");
    }

    private static string Value(float? metric) => metric is { } v ? Screen.Number(v) : "–";
}
