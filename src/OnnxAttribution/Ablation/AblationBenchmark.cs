using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Ablation;

/// <summary>Times naive ablation of all active features of all residual sites on a random model,
/// against the machine's matrix-multiply limit and against whole forward passes, one feature at a time.</summary>
internal static class AblationBenchmark
{
    /// <param name="Operations">Floating-point operations of the matrix products that were run: what no ablation reaches is not
    /// encoded and not counted, but blocks are computed at all positions, so that for one position at a time nearly half of a
    /// block's are spent on positions that cannot change.</param>
    /// <param name="Floor">Seconds that these need at the machine's rate.</param>
    /// <param name="Seconds">Median of the runs, the model loaded;
    /// <paramref name="Least"/> and <paramref name="Most"/> their extremes; <paramref name="Stages"/> those of the median.</param>
    /// <param name="PeakMemory">Of the process so far, in bytes.</param>
    public sealed record Timing(long Operations, double Floor, double Seconds, double Least, double Most,
        IReadOnlyDictionary<string, double> Stages, int RuntimeCalls, long PeakMemory)
    {
        public double Ratio => Seconds / Floor;
    }

    /// <param name="Edges">Edges alone; <paramref name="WithLogits"/> goes on to the metric and the next token.</param>
    /// <param name="SlowPerFeature">Median seconds of one whole forward pass with the next site's encoder,
    /// over <paramref name="SlowSample"/> features.</param>
    public sealed record Figures(double GemmRate, int Sites, int Ablated, long EdgesSeen, Timing Edges, Timing WithLogits,
        double SlowPerFeature, int SlowSample)
    {
        /// <summary>Extrapolated from the sample: seconds for every feature.</summary>
        public double SlowSeconds => SlowPerFeature * Ablated;

        /// <summary>How many times longer the slow way takes than edges with logits; its passes yield both.</summary>
        public double SpeedUp => SlowSeconds / WithLogits.Seconds;

        /// <summary>How many times longer it takes than edges alone; its passes cannot end early.</summary>
        public double EdgeSpeedUp => SlowSeconds / Edges.Seconds;
    }

    /// <param name="options">Positions, where features are read, and memory; the metric is the top logit.</param>
    /// <param name="runs">Counted runs, after one that is not.</param>
    /// <param name="sample">Features that the slow way is timed on.</param>
    public static Figures Run(string bundle, RunContext context, int tokens, AblationOptions options, int runs, int sample,
        Action<string> progress)
    {
        GraphBenchmark.ReadThrough(bundle);
        var rate = GemmLimit.Measure(context);
        using var model = LoadedModel.Open(bundle, ["resid"], context, prompts: LoadedModel.ManyPrompts);
        var random = new Random(7);
        int[] Prompt() => [model.VocabularySize - 1, .. Enumerable.Range(1, tokens - 1).Select(_ => random.Next(256))];
        progress("timing edges");
        var (edges, _, _) = Median(model, Prompt, options with { Logits = false }, runs, rate);
        progress("timing edges with logits");
        var (withLogits, graph, prompt) = Median(model, Prompt, options, runs, rate);
        progress("timing whole forward passes");
        return new Figures(rate, model.Selected.Count, graph.Ablated, graph.EdgesSeen, edges, withLogits,
            Slow(model, prompt, graph, options.Coefficient, sample), sample);
    }

    private static (Timing, AblationGraph, int[] Prompt) Median(LoadedModel model, Func<int[]> prompt, AblationOptions options,
        int runs, double rate)
    {
        var times = new List<(double Seconds, AblationGraph Graph, int[] Prompt)>();
        for (var i = 0; i <= runs; i++)
        {
            var tokens = prompt();
            var start = Stopwatch.GetTimestamp();
            var graph = AblationFinder.Find(model, tokens, options);
            if (i > 0) times.Add((Stopwatch.GetElapsedTime(start).TotalSeconds, graph, tokens));
        }
        times.Sort((a, b) => a.Seconds.CompareTo(b.Seconds));
        var (seconds, median, at) = times[times.Count / 2];
        return (new Timing(median.Operations, median.Operations / rate, seconds, times[0].Seconds, times[^1].Seconds, median.Timings,
            median.RuntimeCalls, RunContext.PeakMemory()), median, at);
    }

    // features spread over all ablated ones, so over the sites too
    private static double Slow(LoadedModel model, int[] tokens, AblationGraph graph, float coefficient, int sample)
    {
        using var slow = new SlowAblation(model, tokens);
        var pairs = new SiteGraph(model);
        var nodes = graph.Nodes.Where(n => !float.IsNaN(n.Effect)).ToList();
        var seconds = new List<double>();
        for (var i = -1; i < sample; i++)
        {
            var node = nodes[(int)((Math.Max(i, 0) + 0.5) * nodes.Count / sample)];
            var site = model.Selected.ToList().IndexOf(node.Site);
            int[] at = node.Position < 0 ? [.. Enumerable.Range(0, tokens.Length)] : [node.Position];
            var start = Stopwatch.GetTimestamp();
            slow.Once(node.Site, node.Feature, at, coefficient, pairs.Children(site).Select(d => model.Selected[d]).FirstOrDefault());
            if (i >= 0) seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        seconds.Sort();
        return seconds[seconds.Count / 2];
    }
}
