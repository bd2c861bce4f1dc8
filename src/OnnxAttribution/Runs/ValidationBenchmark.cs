using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Times the verb <c>validate</c> on a random model: 200 nodes and 1,000 edges of a run of all its sites.</summary>
internal static class ValidationBenchmark
{
    /// <param name="Seconds">From reading the run to its tables on disk; <paramref name="OpenSeconds"/> of it to open the model.</param>
    /// <param name="PeakMemory">Of the process so far, in bytes.</param>
    public sealed record Figures(int Nodes, int Edges, int Sites, double Seconds, double OpenSeconds, int RuntimeCalls, long PeakMemory);

    /// <param name="bundle">A random model's, in whose vocabulary every letter is a token.</param>
    /// <param name="tokens">Of the prompt, BOS included.</param>
    public static Figures Run(string bundle, RunContext context, int tokens, long memoryBudget)
    {
        var random = new Random(7);
        var prompt = new string([.. Enumerable.Range(0, tokens - 1).Select(_ => (char)('a' + random.Next(26)))]);
        var directory = Directory.CreateTempSubdirectory("onnx-attribution-bench-").FullName;
        try
        {
            var path = Path.Combine(directory, "run");
            using (var model = LoadedModel.Open(bundle, null, context))
            {
                GraphRun.Find(model, new PromptTask(prompt), new GraphRequest(new GraphOptions(MemoryBudget: memoryBudget)))
                    .Write(path, force: false);
            }
            var start = Stopwatch.GetTimestamp();
            var run = FinishedRun.Read(path, context.Cancel);
            using var opened = run.Open(null, context);
            var open = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var calls = context.Calls;
            var validation = ValidationRun.Of(run, opened, new ValidationRequest { MemoryBudget = memoryBudget });
            validation.Write(context.Cancel);
            return new Figures((int)validation.Facts["nodes"]!["count"]!, (int)validation.Facts["edges"]!["count"]!, run.Sites.Count,
                Stopwatch.GetElapsedTime(start).TotalSeconds, open, context.Calls - calls, RunContext.PeakMemory());
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
