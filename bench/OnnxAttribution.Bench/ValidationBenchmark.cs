using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Bench;

/// <summary>What the verb <c>validate</c> took.</summary>
/// <param name="Nodes">Checked, like <paramref name="Edges"/>, by a real intervention each.</param>
/// <param name="Seconds">From reading the run to its tables on disk; <paramref name="OpenSeconds"/> of it to open the model.</param>
/// <param name="PeakMemoryBytes">Of it alone.</param>
internal sealed record ValidationTiming(
    int Nodes, int Edges, int Sites, double Seconds, double OpenSeconds, int RuntimeCalls, long PeakMemoryBytes);

/// <summary>Times the verb <c>validate</c> on a random model: 200 nodes and 1,000 edges of a run of all its sites.</summary>
internal static class ValidationBenchmark
{
    public static ValidationTiming Run(BenchRequest request)
    {
        var context = request.Context;
        var random = new Random(7);
        // in the random vocabulary every letter is a token, and BOS is one more
        var prompt = new string([.. Enumerable.Range(0, request.Tokens - 1).Select(_ => (char)('a' + random.Next(26)))]);
        using var directory = new TemporaryPlace();
        var path = Path.Combine(directory.Path, "run");
        using (var model = LoadedModel.Open(request.Bundle, null, context))
        {
            var wanted = new GraphRequest(new GraphOptions { Refine = 0 });
            GraphRun.Find(model, new PromptTask(prompt), wanted).Write(path, force: false);
        }
        PeakMemory.Begin();
        var start = Stopwatch.GetTimestamp();
        var run = FinishedRun.Read(path, context.Cancel);
        using var opened = run.Open(null, context);
        var open = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var calls = context.Calls;
        var validation = ValidationRun.Find(run, opened, new ValidationRequest());
        validation.Write(context.Cancel);
        return new ValidationTiming(validation.Record.Nodes.Count, validation.Record.Edges.Count, run.Sites.Count,
            Figures.Rounded(Stopwatch.GetElapsedTime(start).TotalSeconds), Figures.Rounded(open), context.Calls - calls,
            PeakMemory.Bytes());
    }
}
