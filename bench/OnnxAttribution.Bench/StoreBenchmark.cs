using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Bench;

/// <summary>What writing and reading one run cost.</summary>
/// <param name="WriteSeconds">From edges in memory to the finished directory: sorting, encoding, compressing.</param>
/// <param name="ReadSeconds">From the directory back to edges in memory.</param>
/// <param name="MoreMemoryBytes">Most bytes resident up to the end of writing, beyond those before it (the edges are among these).</param>
/// <param name="FileBytes">On disk, all three files.</param>
internal sealed record StoreTiming(int Edges, double WriteSeconds, double ReadSeconds, long MoreMemoryBytes, long FileBytes)
{
    /// <summary>Not measured.</summary>
    public static StoreTiming None { get; } = new(0, 0, 0, 0, 0);
}

/// <summary>Writes a run of random edges and reads it back, against the clock.</summary>
internal static class StoreBenchmark
{
    private const int Chunk = 1 << 20, Sites = 37, Positions = 64;

    /// <param name="nodes">Spread evenly over the 37 sites and 64 positions of a GPT-2-small run.</param>
    /// <param name="edges">Random ends, jacobians and effects, made before the clock starts; one in 16 leads into the metric.</param>
    public static StoreTiming Measure(int nodes, int edges, CancellationToken cancel)
    {
        using var directory = new TemporaryPlace();
        var path = Path.Combine(directory.Path, "run");
        var (nodeRows, edgeRows) = (RandomNodes(nodes), RandomEdges(nodes, edges));
        PeakMemory.Begin();
        var before = Environment.WorkingSet;
        var start = Stopwatch.GetTimestamp();
        var record = new GraphRunRecord { Prompt = "benchmark" };
        RunDirectory.Write(path, new RunContents(nodeRows, Chunks(edgeRows), Positions - 1, record), force: false, cancel);
        var write = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var peak = PeakMemory.Bytes();
        start = Stopwatch.GetTimestamp();
        RunDirectory.Read(path, cancel);
        var read = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var bytes = new DirectoryInfo(path).EnumerateFiles().Sum(file => file.Length);
        return new StoreTiming(edges, Figures.Rounded(write), Figures.Rounded(read), peak - before, bytes);
    }

    private static NodeRow[] RandomNodes(int count)
    {
        var random = new Random(0);
        string[] kinds = ["resid", "attn", "mlp"];
        var rows = new NodeRow[count];
        for (var n = 0; n < count; n++)
        {
            var site = (int)((long)n * Sites / count);
            var (layer, kind) = (site / 3, kinds[site % 3]);
            var hook = kind == "resid" ? "hook_resid_pre" : $"hook_{kind}_out";
            rows[n] = new NodeRow($"blocks.{layer}.{hook}", layer, kind, n % Positions, $" token{n % Positions}", n / Positions,
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
        for (var start = 0; start < edges.Length; start += Chunk) yield return edges.AsMemory(start, Math.Min(Chunk, edges.Length - start));
    }
}
