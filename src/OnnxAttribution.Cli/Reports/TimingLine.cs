using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Reports;

/// <summary>The line that says what a run took.</summary>
internal static class TimingLine
{
    /// <param name="seconds">From the start of the verb to here.</param>
    public static string Of(PromptRunRecord run, double seconds)
    {
        var timings = run.Timings!;
        var stages = timings.Where(t => t.Key != "sessions").Select(t => $"{t.Key.Replace('_', ' ')} {t.Value:0.00}");
        return $"time {seconds:0.00} s ({string.Join(", ", stages)}; of it {timings["sessions"]:0.00} to make sessions), "
            + $"{run.RuntimeCalls} runtime calls, {run.Operations / 1e9:0.00} GFLOP, peak memory {Screen.Bytes(run.PeakMemoryBytes ?? 0)}";
    }
}
