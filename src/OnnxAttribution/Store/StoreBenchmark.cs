using System.Diagnostics;
using System.Text.Json.Nodes;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Writes and reads runs of random edges, against the clock.</summary>
internal static class StoreBenchmark
{
    /// <summary>Writes one run of random edges and reads it back.</summary>
    /// <param name="path">Where to; must be free, and stays.</param>
    /// <param name="nodes">Spread evenly over the 37 sites and 64 positions of a GPT-2-small run.</param>
    /// <param name="edges">Random ends, jacobians and effects; one in 16 leads into the metric.</param>
    /// <param name="cancel">Stops it and leaves nothing.</param>
    /// <returns>Seconds and bytes; the edges themselves (16 bytes each) are made before
    /// the clock starts and count in the memory before.</returns>
    public static StoreTiming Measure(string path, int nodes, int edges, CancellationToken cancel = default)
    {
        var nodeRows = RandomNodes(nodes);
        var edgeRows = RandomEdges(nodes, edges);
        var before = Environment.WorkingSet;
        var start = Stopwatch.GetTimestamp();
        RunDirectory.Write(path, nodeRows, Chunks(edgeRows), metricPosition: 63, new JsonObject { ["prompt"] = "benchmark" },
            force: false, cancel);
        var write = Stopwatch.GetElapsedTime(start);
        using var process = Process.GetCurrentProcess();
        var peak = process.PeakWorkingSet64;
        start = Stopwatch.GetTimestamp();
        RunDirectory.Read(path, cancel);
        var read = Stopwatch.GetElapsedTime(start);
        var bytes = new DirectoryInfo(path).EnumerateFiles().Sum(file => file.Length);
        return new StoreTiming(write, read, before, peak, bytes);
    }

    private static NodeRow[] RandomNodes(int count)
    {
        var random = new Random(0);
        string[] kinds = ["resid", "attn", "mlp"];
        var rows = new NodeRow[count];
        for (var n = 0; n < count; n++)
        {
            int site = (int)((long)n * 37 / count), layer = site / 3;
            var name = kinds[site % 3] == "resid" ? "hook_resid_pre" : $"hook_{kinds[site % 3]}_out";
            rows[n] = new NodeRow($"blocks.{layer}.{name}", layer, kinds[site % 3], n % 64, $" token{n % 64}", n / 64,
                random.NextSingle(), random.NextSingle(), random.NextSingle(), random.NextSingle() - 0.5f, true);
        }
        return rows;
    }

    private static CausalEdge[] RandomEdges(int nodes, int count)
    {
        var random = new Random(1);
        var rows = new CausalEdge[count];
        for (var e = 0; e < count; e++)
        {
            var down = random.Next(16) == 0 ? CausalEdge.Metric : random.Next(nodes);
            rows[e] = new CausalEdge(random.Next(nodes), down, random.NextSingle() - 0.5f, random.NextSingle() - 0.5f);
        }
        return rows;
    }

    private static IEnumerable<ReadOnlyMemory<CausalEdge>> Chunks(CausalEdge[] edges)
    {
        const int length = 1 << 20;
        for (var start = 0; start < edges.Length; start += length)
        {
            yield return edges.AsMemory(start, Math.Min(length, edges.Length - start));
        }
    }
}
