using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>graph --prompts --dataset</c> prints: how many prompts went where, and a bar while it runs.</summary>
internal sealed class DatasetReport(IProgress<string> line) : IProgress<DatasetProgress>
{
    private const int Width = 24;

    public void Report(DatasetProgress value) => line.Report(Line(value));

    internal static string Line(DatasetProgress p)
    {
        var full = p.Of == 0 ? Width : (int)((long)Width * p.Done / p.Of);
        var rate = p.PerSecond is not { } r ? "" : r >= 1
            ? string.Create(CultureInfo.InvariantCulture, $", {r:0.0} a second")
            : string.Create(CultureInfo.InvariantCulture, $", {1 / r:0.0} s each");
        var left = p.Remaining is not { } t ? "" : t.TotalHours >= 1 ? $", {(int)t.TotalHours}:{t.Minutes:00} h to go"
            : $", {(int)t.TotalMinutes}:{t.Seconds:00} to go";
        return $"prompts {new string('█', full)}{new string('░', Width - full)} {p.Done} of {p.Of}{rate}{left}";
    }

    public static void Write(PromptDataset dataset, string directory, bool json, TextWriter output, double seconds)
    {
        if (json)
        {
            Screen.WriteJson(output, new JsonObject
            {
                ["dataset"] = directory,
                ["prompts"] = dataset.Finished,
                ["found"] = dataset.Found,
                ["errors"] = dataset.Failures + dataset.FailedBefore,
                ["shard"] = dataset.Shard.Number,
                ["shards"] = dataset.Shard.Of,
                ["seconds_in_all"] = seconds,
            });
            return;
        }
        var found = dataset.Found == 0 ? "" : $"; {Screen.Count(dataset.Found, "prompt")} were there already";
        var failed = dataset.Failures == 0 ? "" : $"; {Screen.Count(dataset.Failures, "line")} failed";
        var before = dataset.FailedBefore == 0 ? "" : $"; {Screen.Count(dataset.FailedBefore, "line")} failed before";
        var shard = dataset.Shard == PromptShard.Whole ? "" : $"; shard {dataset.Shard.Number} of {dataset.Shard.Of}";
        output.WriteLine(
            $"{directory}: {Screen.Count(dataset.Finished, "prompt")} in {seconds:0.00} s{shard}{found}{failed}{before}");
    }
}
