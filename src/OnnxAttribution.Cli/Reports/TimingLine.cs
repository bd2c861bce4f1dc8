using System.Text.Json.Nodes;

namespace OnnxAttribution.Cli.Reports;

/// <summary>The line that says what a run took.</summary>
internal static class TimingLine
{
    /// <param name="facts">run.json.</param>
    /// <param name="seconds">From the start of the verb to here.</param>
    public static string Of(JsonObject facts, double seconds)
    {
        var timings = facts["timings"]!.AsObject();
        var stages = timings.Where(t => t.Key != "sessions").Select(t => $"{t.Key.Replace('_', ' ')} {(double)t.Value!:0.00}");
        return $"time {seconds:0.00} s ({string.Join(", ", stages)}; of it {(double)timings["sessions"]!:0.00} to make sessions), "
            + $"{(int)facts["runtime_calls"]!} runtime calls, "
            + $"{(long)facts["operations"]! / 1e9:0.00} GFLOP, peak memory {Screen.Bytes((long)facts["peak_memory_bytes"]!)}";
    }
}
