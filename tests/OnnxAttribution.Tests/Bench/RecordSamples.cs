using OnnxAttribution.Bench;

namespace OnnxAttribution.Tests.Bench;

/// <summary>Records with figures that are easy to follow.</summary>
internal static class RecordSamples
{
    public static GraphRecord Graph() => new(
        Setting("graph"), 64, 200e9, 48_000_000_000, [0.7, 0.6, 0.8],
        new Dictionary<string, double> { ["passes"] = 0.1, ["node_effects"] = 0.2, ["cotangents"] = 0.1, ["edges"] = 0.3 },
        63, 40000, 2960, 120_000, 63.2, Packed: true, 1.5, 0.75, 8L << 30, 3.75, new StoreTiming(10_000_000, 2.5, 1.5, 1L << 29, 1000),
        [new("slow", 126, true, "PyTorch 1.13"), new("fast", 0.2, false, "PyTorch 1.13")]);

    /// <summary>The same drawn refined, with exact edges, and split by heads.</summary>
    public static GraphRecord GraphInAllWays() => Graph() with
    {
        Refined = new RefinedTime(32, [1.4], 100_000_000_000, 256, 30),
        Exact = new ExactTiming([1.75], 150_000_000_000, new Dictionary<string, double>(), 100, 10, 9L << 30),
        Heads = new HeadsTiming(0.6, 0.9),
    };

    public static AblationRecord Ablation() => new(
        Setting("ablation"), "all", "all", 200e9, 13, 1000, 4_500_000, Timing(5_000_000_000_000, 28), Timing(25_000_000_000_000, 130),
        [0.05, 0.04, 0.06], new ValidationTiming(200, 1000, 37, 10.1, 1.5, 300, 1L << 32));

    private static AblationTiming Timing(long operations, double seconds) =>
        new(operations, [seconds], new Dictionary<string, double> { ["passes"] = seconds }, 100, 6L << 30);

    private static Setting Setting(string benchmark) => new(
        benchmark, "2026-01-02", new Machine("Acme One", 2, "linux-x64"), 0.25, "0.1.0", "1.31.1", "cpu", 2,
        new ModelSizes("gpt2", "gpt2", 12, 768, 50257, 24576, 37), 16);
}
