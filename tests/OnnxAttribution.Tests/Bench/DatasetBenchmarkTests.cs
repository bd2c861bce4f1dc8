using OnnxAttribution.Bench;

namespace OnnxAttribution.Tests.Bench;

public sealed class DatasetBenchmarkTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_dataset_of_random_graphs_is_written_once_and_asked()
    {
        string[] bench = ["--dataset", "70", "--cache", _directory["cache"], "--record", _directory["records"]];
        var printed = BenchRun.Start(bench).Done().Output;
        Assert.Contains("70 prompts, 70,000 edges in 2 parts", printed);
        Assert.Contains("edges into feature, s", printed);
        var file = Assert.Single(Directory.GetFiles(_directory["records"], "*.json", SearchOption.AllDirectories));
        var record = RecordFile.Read<DatasetSpeedRecord>(file);
        Assert.NotNull(record.WriteSeconds);
        Assert.All(record.QuerySeconds.Values, seconds => Assert.All(seconds, s => Assert.True(s > 0)));
        Assert.InRange(record.Cluster!.ReadSeconds, 0, record.Cluster.Seconds);
        Assert.InRange(record.Cluster.Clusters, 2, 20);
        BenchRun.Start(bench).Done();
        Assert.Null(RecordFile.Read<DatasetSpeedRecord>(file).WriteSeconds);
    }
}
