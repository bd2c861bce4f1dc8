using System.Diagnostics;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>What it takes to put a dataset's prompts in clusters.</summary>
/// <param name="Seconds">All of it, nothing written.</param>
/// <param name="ReadSeconds">Of it, until the vectors are there.</param>
/// <param name="Clusters">That were found.</param>
/// <param name="PeakMemoryBytes">Of the process meanwhile.</param>
internal sealed record ClusterTime(double Seconds, double ReadSeconds, int Clusters, long PeakMemoryBytes)
{
    private const int Least = 2, Most = 20;

    public static ClusterTime Measure(string dataset, RunContext context, Action<string> progress)
    {
        PeakMemory.Begin();
        var stages = new Stages(progress);
        var request = new ClusterRequest(Least, Most) { Threads = context.Threads };
        var run = ClusterRun.OfGraphs(dataset, request, stages, context.Cancel);
        return new(Figures.Rounded(stages.Seconds), Figures.Rounded(stages.ReadSeconds), run.Found.Count, PeakMemory.Bytes());
    }

    // the first that is told of something else comes behind the last part
    private sealed class Stages(Action<string> progress) : IProgress<string>
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        public double Seconds => Stopwatch.GetElapsedTime(_start).TotalSeconds;

        public double ReadSeconds { get; private set; }

        public void Report(string value)
        {
            if (ReadSeconds == 0 && !value.StartsWith("reading part ", StringComparison.Ordinal)) ReadSeconds = Seconds;
            progress(value);
        }
    }
}
