using System.Diagnostics;
using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>Times the main job on a random model of a given shape, against the machine's matrix-multiply limit.</summary>
internal static class GraphBenchmark
{
    /// <param name="Floor">Seconds that the run's matrix products need at the machine's rate.</param>
    /// <param name="Seconds">Median of the runs; <paramref name="Spread"/> their extremes.</param>
    /// <param name="Packed">The model's weights were laid out for speed.</param>
    public sealed record Figures(
        double GemmRate, long Operations, double Floor, double Seconds, (double Least, double Most) Spread,
        IReadOnlyDictionary<string, double> Stages, int RuntimeCalls, int Nodes, int KeptNodes, int Edges, double ActiveFeatures,
        double OpenSeconds, double FirstSeconds, double SessionSeconds, long PeakMemory, bool Packed)
    {
        public double Ratio => Seconds / Floor;
    }

    /// <summary>Makes the bundle where it is not yet there; a cached one is taken as it is.</summary>
    /// <returns>The bundle's directory.</returns>
    public static string Prepare(string cache, SyntheticShape shape, Action<string> progress, CancellationToken cancel)
    {
        var bundle = Path.Combine(cache, shape.Name);
        if (File.Exists(Path.Combine(bundle, BundleManifest.FileName))) return bundle;
        progress($"making a random model of shape {shape.Name} in {bundle}");
        SyntheticCheckpoint.WriteModel(bundle, shape);
        var norms = Norms(bundle, shape);
        var pool = new SyntheticCheckpoint.Pool((int)Math.Min(1 << 24, 4L * shape.Features * shape.Width));
        foreach (var (site, norm) in norms)
        {
            cancel.ThrowIfCancellationRequested();
            progress($"dictionary for {site}");
            SyntheticCheckpoint.WriteDictionary(Path.Combine(bundle, BundleDictionaries.Folder, site), site, shape, norm, pool);
        }
        BundleWriter.Write(new ExportOptions(bundle, null, bundle, Force: true), cancel);
        return bundle;
    }

    /// <summary>Median over <paramref name="runs"/> after one that is not counted, the model loaded.</summary>
    /// <param name="nodes">Features kept per site.</param>
    public static Figures Run(string bundle, RunContext context, int tokens, int nodes, int runs, long memoryBudget)
    {
        ReadThrough(bundle);
        var rate = GemmLimit.Measure(context);
        var start = Stopwatch.GetTimestamp();
        var packed = Packs(bundle);
        using var model = LoadedModel.Open(bundle, null, context, packed ? LoadedModel.ManyPrompts + 1 : 1);
        var open = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var random = new Random(7);
        // another prompt each time, so that nothing is found in a cache that a new prompt would not find there
        int[] Prompt() => [model.VocabularySize - 1, .. Enumerable.Range(1, tokens - 1).Select(_ => random.Next(256))];
        var options = new GraphOptions(TopNodes: nodes, TopEdges: null, Prune: false, MemoryBudget: memoryBudget);
        start = Stopwatch.GetTimestamp();
        var graph = GraphFinder.Find(model, Prompt(), null, options);
        var first = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var times = new List<(double Seconds, CausalGraph Graph)>();
        for (var i = 0; i < runs; i++)
        {
            var prompt = Prompt();
            start = Stopwatch.GetTimestamp();
            graph = GraphFinder.Find(model, prompt, null, options);
            times.Add((Stopwatch.GetElapsedTime(start).TotalSeconds, graph));
        }
        times.Sort((a, b) => a.Seconds.CompareTo(b.Seconds));
        var median = times[times.Count / 2];
        var features = graph.Nodes.Count(n => !n.IsError);
        return new Figures(rate, graph.Operations, graph.Operations / rate, median.Seconds, (times[0].Seconds, times[^1].Seconds),
            median.Graph.Timings, graph.RuntimeCalls, graph.Nodes.Count, graph.Nodes.Count(n => n.Kept), graph.Edges.Count, (double)features
                / (graph.Nodes.Count - features), open, first, context.SessionTime.TotalSeconds, RunContext.PeakMemory(), packed);
    }

    // a packed copy of a billion parameters, in every session that reads them, would not leave the dictionaries room
    private static bool Packs(string bundle) => new FileInfo(Path.Combine(bundle, Checkpoints.CheckpointFolder.SingleFile)).Length < 2L << 30;

    // brings every file into the page cache
    internal static void ReadThrough(string bundle)
    {
        var buffer = new byte[1 << 22];
        foreach (var path in Directory.EnumerateFiles(bundle, "*.safetensors", SearchOption.AllDirectories))
        {
            using var file = RegularFile.OpenHandle(path);
            for (long at = 0, n; (n = RandomAccess.Read(file, buffer, at)) > 0; at += n) { }
        }
    }

    // what the sites' activations measure, so that the dictionaries' thresholds leave the wanted number of features
    private static List<(string Site, double Norm)> Norms(string bundle, SyntheticShape shape)
    {
        BundleWriter.Write(new ExportOptions(bundle, null, bundle, Force: true));
        using var model = LoadedModel.Open(bundle, null, new RunContext());
        var random = new Random(7);
        int[] prompt = [.. Enumerable.Range(0, 16).Select(_ => random.Next(256))];
        var pass = ModelPass.Run(model, MetricKind.Logit, prompt, prompt.Length - 1, 0, 1);
        var norms = model.Bundle.Sites.Where(s => !shape.ResidualOnly || s.Kind == SiteKind.Resid)
            .Select(s => (s.Name, Math.Sqrt(TensorPrimitives.SumOfSquares<float>(pass.Sites[s.Name]) / prompt.Length)))
            .ToList();
        File.Delete(Path.Combine(bundle, BundleManifest.FileName));
        return norms;
    }
}
