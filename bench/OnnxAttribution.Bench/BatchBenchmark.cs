using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>Times graphs of prompts that are run side by side, as those of a dataset are.</summary>
internal static class BatchBenchmark
{
    /// <param name="prompts">In each batch.</param>
    public static BatchRecord Run(BenchRequest request, int prompts)
    {
        var setting = Setting.Of("batch", request);
        request.Progress("timing batches");
        RandomModel.ReadThrough(request.Bundle);
        var rate = MachineRate.Products(request.Context, GraphBenchmark.ProductRuns);
        PeakMemory.Begin();
        var context = new RunContext(request.Context.Device, request.Context.Threads, request.Context.Cancel,
            request.Context.MemoryBudget, lanes: request.Context.Threads);
        var options = new GraphOptions(TopNodes: request.Nodes, TopEdges: null, Prune: false) { Refine = 0 };
        var (together, graph) = Together(request, context, prompts, options);
        var peak = PeakMemory.Bytes();
        return new BatchRecord(setting, prompts, context.Lanes, request.Nodes, rate, graph.Operations, Figures.Rounded(together),
            Figures.Rounded(graph.Timings), peak) { IsScreened = request.IsScreened };
    }

    // seconds a prompt, and a graph of the last batch; the first batch makes the sessions and is not counted
    private static (List<double> Seconds, CausalGraph Last) Together(BenchRequest request, RunContext context, int prompts,
        GraphOptions options)
    {
        using var model = LoadedModel.Open(request.Bundle, null, context, prompts: WeightPacking.ManyPrompts + 1);
        var prompt = RandomModel.Prompts(model, request.Tokens);
        var (seconds, last) = (new List<double>(), (CausalGraph?)null);
        for (var run = 0; run <= request.Runs; run++)
        {
            PromptRequest[] asked = [.. Enumerable.Range(0, prompts).Select(_ => new PromptRequest(prompt(), null, options))];
            var start = Stopwatch.GetTimestamp();
            var found = PromptGraphs.Find(model, asked, isSummed: false);
            var took = Stopwatch.GetElapsedTime(start).TotalSeconds / prompts;
            last = found[^1].Found ?? throw found[^1].Failure!;
            if (run > 0) seconds.Add(took);
        }
        return (seconds, last!);
    }
}

/// <summary>What a prompt's graph costs among others that are run side by side.</summary>
/// <param name="Prompts">In a batch.</param>
/// <param name="NodesPerSite">Features kept per site; error nodes come on top.</param>
/// <param name="GemmFlopsPerSecond">The machine's matrix-multiply rate (<see cref="MachineRate"/>).</param>
/// <param name="Operations">Floating-point operations of the matrix products of a prompt.</param>
/// <param name="Seconds">A prompt's share of each counted batch, in their order; each has other prompts.</param>
/// <param name="Stages">Seconds of a prompt of the last batch, by stage, each within its lane.</param>
/// <param name="PeakMemoryBytes">Of the process.</param>
internal sealed record BatchRecord(Setting Setting, int Prompts, int Lanes, int NodesPerSite, double GemmFlopsPerSecond, long Operations,
    IReadOnlyList<double> Seconds, IReadOnlyDictionary<string, double> Stages, long PeakMemoryBytes) : IBenchRecord
{
    /// <summary>The dictionaries had screens beside them.</summary>
    public bool IsScreened { get; init; }

    public string Name => Setting.FileName + (IsScreened ? "-screened" : "");

    /// <summary>Seconds that a prompt's operations need at the machine's rate.</summary>
    public double Floor => Operations / GemmFlopsPerSecond;

    public double Median => Figures.Median(Seconds);

    public double Ratio => Median / Floor;

    public void Print(TextWriter output)
    {
        var model = Setting.Model;
        output.WriteLine($"{model.Type}: {model.Layers} layers, width {model.Width}, {model.Sites} dictionaries of {model.Features:N0} "
            + $"features; T = {Setting.Tokens}; {Prompts} prompts side by side in {Lanes} lanes");
        output.WriteLine($"matrix-multiply rate      {GemmFlopsPerSecond / 1e9,8:f0} GFLOP/s");
        output.WriteLine($"a prompt's operations     {Operations / 1e9,8:f1} GFLOP");
        output.WriteLine($"their floor               {Floor * 1000,8:f0} ms");
        output.WriteLine($"a prompt, measured        {Median * 1000,8:f0} ms  ({Seconds.Min() * 1000:f0} to {Seconds.Max() * 1000:f0})");
        foreach (var (stage, seconds) in Stages) output.WriteLine($"  {stage,-23} {seconds * 1000,8:f0} ms");
        output.WriteLine($"ratio to the floor        {Ratio,8:f2}");
        output.WriteLine($"peak memory               {PeakMemoryBytes / SpeedTables.GiB,8:f1} GiB");
    }
}
