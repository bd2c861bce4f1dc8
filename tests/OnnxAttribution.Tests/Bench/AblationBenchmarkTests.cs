using OnnxAttribution.Bench;

namespace OnnxAttribution.Tests.Bench;

public class AblationBenchmarkTests
{
    [Fact]
    public void A_small_shape_is_timed_against_its_floor_and_the_slow_way()
    {
        using var directory = new TemporaryDirectory();
        var run = BenchRun.Start([.. BenchRun.Small(directory["cache"]), "--ablate", "--record", directory["records"]]).Done();
        string[] parts = ["ratio to the floor", "extrapolated", "edges seen", "validate:"];
        Assert.All(parts, words => Assert.Contains(words, run.Output));
        var file = Assert.Single(Directory.GetFiles(directory["records"], "*.json", SearchOption.AllDirectories));
        Assert.Equal($"wrote {file}", run.Error.Trim());
        var record = RecordFile.Read<AblationRecord>(file);
        Assert.Equal((2, "ablation", 4), (record.Sites, record.Setting.Benchmark, record.Setting.Tokens));
        foreach (var timing in (AblationTiming[])[record.Edges, record.WithLogits])
        {
            Assert.Equal(2, timing.Seconds.Count);
            Assert.All(timing.Seconds, s => Assert.True(s > 0));
            Assert.True(record.Floor(timing) > 0);
        }
        Assert.True(record.WithLogits.Operations > record.Edges.Operations);
        Assert.Equal(record.SlowMedian * record.Ablated, record.SlowAll, 1e-9);
        Assert.True(record.Ablated > 0 && record.Validate.Nodes > 0);
    }
}
