using System.Diagnostics;
using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>
/// Times naive ablation of all active features of all residual sites on a random model, against the machine's matrix-multiply limit and
/// against whole forward passes, one feature at a time.
/// </summary>
internal static class AblationBenchmark
{
    // features that whole forward passes are timed on
    private const int SlowSample = 11;

    /// <param name="options">Positions, where features are read, and memory; the metric is the top logit.</param>
    public static AblationRecord Run(BenchRequest request, AblationOptions options)
    {
        var (setting, context) = (Setting.Of("ablation", request), request.Context);
        PeakMemory.Begin();
        RandomModel.ReadThrough(request.Bundle);
        var rate = MachineRate.Products(context, GraphBenchmark.ProductRuns);
        using var model = LoadedModel.Open(request.Bundle, ["resid"], context, prompts: WeightPacking.ManyPrompts + 1);
        var prompt = RandomModel.Prompts(model, request.Tokens);
        request.Progress("timing edges");
        var (edges, _, _) = Median(model, prompt, options with { Logits = false }, request.Runs);
        request.Progress("timing edges with logits");
        var (withLogits, graph, tokens) = Median(model, prompt, options, request.Runs);
        request.Progress("timing whole forward passes");
        var slow = Slow(model, tokens, graph, options.Coefficient);
        request.Progress("timing a validation");
        return new AblationRecord(setting, EnumName.Of(options.Positions), EnumName.Of(options.Measure), rate, model.Selected.Count,
            graph.Ablated, graph.EdgesSeen, edges, withLogits, Figures.Rounded(slow), ValidationBenchmark.Run(request));
    }

    private static (AblationTiming, AblationGraph, int[] Prompt) Median(
        LoadedModel model, Func<int[]> prompt, AblationOptions options, int runs)
    {
        var times = new List<(double Seconds, AblationGraph Graph, int[] Prompt)>();
        for (var i = 0; i <= runs; i++)
        {
            var tokens = prompt();
            var start = Stopwatch.GetTimestamp();
            var graph = AblationFinder.Find(model, tokens, options);
            if (i > 0) times.Add((Stopwatch.GetElapsedTime(start).TotalSeconds, graph, tokens));
        }
        var (_, median, at) = times.OrderBy(t => t.Seconds).ElementAt(times.Count / 2);
        var timing = new AblationTiming(median.Operations, Figures.Rounded(times.Select(t => t.Seconds)), Figures.Rounded(median.Timings),
            median.RuntimeCalls, PeakMemory.Bytes());
        return (timing, median, at);
    }

    // features spread over all ablated ones, so over the sites too
    private static List<double> Slow(LoadedModel model, int[] tokens, AblationGraph graph, float coefficient)
    {
        using var slow = new SlowAblation(model, tokens);
        var pairs = new SiteGraph(model);
        var (nodes, sites) = (graph.Nodes.Where(n => !float.IsNaN(n.Effect)).ToList(), model.Selected.ToList());
        var seconds = new List<double>();
        for (var i = -1; i < SlowSample; i++)
        {
            var node = nodes[(int)((Math.Max(i, 0) + 0.5) * nodes.Count / SlowSample)];
            int[] at = node.Position < 0 ? [.. Enumerable.Range(0, tokens.Length)] : [node.Position];
            var next = pairs.Children(sites.IndexOf(node.Site)).Select(d => model.Selected[d]).FirstOrDefault();
            var start = Stopwatch.GetTimestamp();
            slow.Once(node.Site, node.Feature, at, coefficient, next);
            if (i >= 0) seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return seconds;
    }
}
