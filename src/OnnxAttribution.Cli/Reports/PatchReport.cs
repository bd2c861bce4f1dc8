using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Patching;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>patch</c> prints.</summary>
/// <param name="top">How many places are listed.</param>
internal sealed class PatchReport(PatchRun run, int top)
{
    private bool HasEstimate => run.Request.Estimate;

    private IEnumerable<PatchScore> Strongest => run.Scores.OrderByDescending(s => Math.Abs(s.Score)).Take(top);

    /// <summary>The record, and the strongest places.</summary>
    public JsonObject ToJson(string? place, double seconds)
    {
        var json = RunJson.ToObject(run.Record());
        json["places"] = run.Scores.Count;
        json["strongest"] = new JsonArray([.. Strongest.Select(Json)]);
        json["out"] = place;
        json["seconds_in_all"] = seconds;
        return json;
    }

    public void Print(TextWriter output, string? place, double seconds)
    {
        var (denoising, pairs) = (run.Request.Direction == PatchDirection.Denoising, run.Pairs.Count);
        output.WriteLine($"{EnumName.Of(run.Request.Direction),-9} {(denoising ? "the clean run's activations in the corrupted run"
            : "the corrupted run's activations in the clean run")}, {(pairs == 1 ? "one pair" : $"{pairs:N0} pairs")} of prompts");
        output.WriteLine($"metric    {Metric.NameOf(run.Request.Metric)}: clean {Screen.Number(run.Clean)}, "
            + $"corrupted {Screen.Number(run.Corrupted)}");
        string[] columns = ["what", "layer", "head", "position", "#score", "#metric"];
        var table = Screen.Table("Strongest activations", HasEstimate ? [.. columns, "#estimate"] : columns);
        foreach (var score in Strongest)
        {
            string[] cells = [EnumName.Of(score.Place.What), $"{score.Place.Layer}", score.Place.Head is { } h ? $"{h}" : "–",
                Position(score.Place.Position), Screen.Number(score.Score), Screen.Number(score.Metric)];
            table.AddRow(HasEstimate ? [.. cells, Screen.Number(score.EstimatedScore)] : cells);
        }
        Screen.On(output).Show(table, mayDrop: 1);
        output.WriteLine($"score 0: nothing changed, 1: as the {(denoising ? "clean" : "corrupted")} run; "
            + $"{run.Scores.Count:N0} activations patched");
        if (place is not null) output.WriteLine($"wrote {place}: patching.parquet, patching.json");
        output.WriteLine($"time {seconds:0.00} s, {Screen.Count(run.RuntimeCalls, "runtime call")}");
        if (place is not null) output.WriteLine($"figure 'onnx-attribution view {place} --figure patching' draws it");
    }

    private string Position(int? position) => position is not { } t ? "all"
        : run.TokenAt(t) is { } token ? $"{t} {DisplayText.Quoted(token)}" : $"{t}";

    private JsonObject Json(PatchScore s) => new()
    {
        ["what"] = EnumName.Of(s.Place.What),
        ["hook"] = s.Place.Hook,
        ["layer"] = s.Place.Layer,
        ["head"] = s.Place.Head,
        ["position"] = s.Place.Position,
        ["token"] = s.Place.Position is { } t ? run.TokenAt(t) : null,
        ["score"] = s.Score,
        ["metric"] = s.Metric,
        ["estimated_score"] = double.IsFinite(s.EstimatedScore) ? s.EstimatedScore : null,
    };
}
