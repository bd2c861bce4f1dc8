using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Bench;

/// <summary>Times the main job on a random model: every node and edge of a prompt, against the machine's matrix-multiply limit.</summary>
internal static class GraphBenchmark
{
    /// <summary>Of the matrix-multiply rate.</summary>
    public const int ProductRuns = 60;

    /// <param name="program">The command line whose start is timed.</param>
    public static GraphRecord Run(BenchRequest request, string program)
    {
        var setting = Setting.Of("graph", request);
        // before there is anything in this process's memory; not of a prompt of which one graph is all that there is time for
        request.Progress("timing whole processes");
        var process = request.Runs == 0 ? 0 : ProcessBenchmark.Run(request, program);
        request.Progress("timing graphs");
        // the store behind them: what it leaves in memory slows the next graphs down by half
        var record = Graphs(request, setting, StoreTiming.None) with { ProcessSeconds = process };
        request.Progress("timing the store");
        return record with { Store = StoreBenchmark.Measure(nodes: 3000, request.StoredEdges, request.Context.Cancel) };
    }

    private static GraphRecord Graphs(BenchRequest request, Setting setting, StoreTiming store)
    {
        var context = request.Context;
        PeakMemory.Begin();
        RandomModel.ReadThrough(request.Bundle);
        var rate = MachineRate.Products(context, ProductRuns);
        using var model = LoadedModel.Open(request.Bundle, null, context, prompts: WeightPacking.ManyPrompts + 1);
        var prompt = RandomModel.Prompts(model, request.Tokens);
        var options = new GraphOptions(TopNodes: request.Nodes, TopEdges: null, Prune: false) { Refine = 0 };
        int[][] prompts = [.. Enumerable.Range(0, request.Runs + 1).Select(_ => prompt())];
        var (first, times, median) = Timed(model, prompts, options);
        var sessions = context.SessionTime.TotalSeconds;
        var peak = PeakMemory.Bytes();
        // one graph alone is one alone
        var isAlone = request.IsLong || request.Runs == 0;
        request.Progress(isAlone ? "done" : "timing exact edges");
        var exact = isAlone ? null : Exact(model, prompts, options with { Edges = EdgeMethod.Exact });
        var refined = request.Refine == 0 || isAlone ? null : Refined(model, prompts, options with { Refine = request.Refine });
        var last = times[^1].Graph;
        var features = last.Nodes.Count(n => !n.IsError);
        var places = (double)request.Tokens * model.Selected.Count;
        return new GraphRecord(setting, request.Nodes, rate, median.Operations, Figures.Rounded(times.Select(t => t.Seconds)),
            Figures.Rounded(median.Timings), last.RuntimeCalls, last.Nodes.Count, last.Nodes.Count(n => n.Kept), last.Edges.Count,
            Figures.Rounded(features / places), model.PacksWeights, Figures.Rounded(first),
            Figures.Rounded(sessions), peak, ProcessSeconds: 0, store, Peers: null)
        {
            IsScreened = request.IsScreened,
            Exact = exact,
            Refined = refined,
            Plan = PlannedFigures.Of(GraphPlan.Of(model, new PromptTokens(prompts[^1], null, null, null), options)),
            Heads = isAlone ? null : HeadsTiming.Measure(model, prompts, options),
        };
    }

    private static RefinedTime Refined(LoadedModel model, int[][] prompts, GraphOptions options)
    {
        var (_, times, median) = Timed(model, prompts, options);
        return new RefinedTime(options.RefinedNodes, Figures.Rounded(times.Select(t => t.Seconds)), median.Operations, median.MovedNodes,
            median.ExactNodes);
    }

    // the first graph makes the sessions and is not counted, unless it is the only one
    private static (double First, List<(double Seconds, CausalGraph Graph)> Times, CausalGraph Median) Timed(LoadedModel model,
        int[][] prompts, GraphOptions options)
    {
        var times = new List<(double Seconds, CausalGraph Graph)>();
        foreach (var tokens in prompts)
        {
            var start = Stopwatch.GetTimestamp();
            var graph = GraphFinder.Find(model, tokens, null, options);
            times.Add((Stopwatch.GetElapsedTime(start).TotalSeconds, graph));
        }
        var first = times[0].Seconds;
        if (times.Count > 1) times.RemoveAt(0);
        return (first, times, times.OrderBy(t => t.Seconds).ElementAt(times.Count / 2).Graph);
    }

    private static ExactTiming Exact(LoadedModel model, int[][] prompts, GraphOptions options)
    {
        PeakMemory.Begin();
        var (_, times, median) = Timed(model, prompts, options);
        return new ExactTiming(Figures.Rounded(times.Select(t => t.Seconds)), median.Operations, Figures.Rounded(median.Timings),
            median.Edges.Count, median.SwitchedOn.Count, PeakMemory.Bytes());
    }
}
