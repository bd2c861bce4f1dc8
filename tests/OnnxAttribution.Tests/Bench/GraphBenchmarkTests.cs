using System.Text.Json.Nodes;
using OnnxAttribution.Bench;

namespace OnnxAttribution.Tests.Bench;

public sealed class GraphBenchmarkTests : IDisposable
{
    private const string PeersText = """
        {"torch": "1.13.1", "results": {
          "forward": {"median_s": 0.01},
          "(a) one backward per node and pair, whole model": {"median_s": 0.1, "extrapolated_s": 126.5},
          "(b) one backward per node, cut graph: mlp": {"extrapolated_s": 1.5},
          "(b) one backward per node, cut graph: all sites": {"extrapolated_s": 3.7},
          "(c) all edges of all sites, attention rows": {"median_s": 0.2}}}
        """;

    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void A_small_shape_is_timed_with_its_process_the_store_and_the_peers()
    {
        File.WriteAllText(_directory["peers.json"], PeersText);
        string[] args = [.. BenchRun.Small(_directory["cache"]), "--edges", "1000", "--peers", _directory["peers.json"]];
        var run = BenchRun.Start([.. args, "--record", _directory["records"]]).Done();
        string[] parts = ["ratio to the floor", "process start to Parquet", "1,000 ", "the same edges in PyTorch 1.13.1", "times ours"];
        Assert.All(parts, words => Assert.Contains(words, run.Output));
        var machine = Machine.This();
        var file = Path.Combine(_directory["records"], machine.Slug(), "graph-l1-d64-h1-v300-n128-a60-t4.json");
        var record = RecordFile.Read<GraphRecord>(file);
        Assert.Equal(machine, record.Setting.Machine);
        Assert.Equal((2, 4, "cpu"), (record.Seconds.Count, record.Setting.Model.Sites, record.Setting.Device));
        Assert.True(record.Median > 0 && record.Floor > 0 && record.ProcessSeconds > record.Median && record.Store.WriteSeconds > 0);
        Assert.Equal(["(a) one backward per node and pair, whole model", "(b) one backward per node, cut graph: all sites",
            "(c) all edges of all sites, attention rows"], record.Peers!.Select(p => p.Name));
        Assert.Equal([126.5, 3.7, 0.2], record.Peers!.Select(p => p.Seconds));
        Assert.Equal([true, true, false], record.Peers!.Select(p => p.Extrapolated));
    }

    [Fact]
    public void A_record_has_its_keys_in_order_and_reads_back_the_same()
    {
        var record = RecordSamples.Graph();
        var path = RecordFile.Write(_directory.Path, record);
        Assert.Equal(_directory["acme-one-2-cores/graph-gpt2.json"], path);
        var text = File.ReadAllText(path);
        Assert.Equal(["setting", "nodes_per_site", "gemm_flops_per_second", "operations", "seconds", "stages", "runtime_calls", "nodes",
            "kept_nodes", "edges", "active_features", "packed", "first_seconds", "session_seconds", "peak_memory_bytes", "process_seconds",
            "store", "peers"], JsonNode.Parse(text)!.AsObject().Select(k => k.Key));
        Assert.Equal(text, RecordFile.Text(RecordFile.Read<GraphRecord>(path)));
    }

    [Theory, InlineData("{"), InlineData("null"), InlineData("""{"setting": 1}"""), InlineData("{}")]
    public void What_is_no_record_is_refused_by_name(string text)
    {
        File.WriteAllText(_directory["record.json"], text);
        var refusal = Assert.Throws<FormatException>(() => RecordFile.Read<GraphRecord>(_directory["record.json"]));
        Assert.Contains("record.json", refusal.Message);
        Assert.Contains("make bench", refusal.Message);
    }

    [Theory]
    [InlineData("Intel(R) Xeon(R) Processor", "intel-xeon-2-cores")]
    [InlineData("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-xeon-2-cores")]
    [InlineData("AMD EPYC 9B14 96-Core Processor", "amd-epyc-9b14-2-cores")]
    [InlineData("13th Gen Intel(R) Core(TM) i7-13700K", "13th-gen-intel-core-i7-13700k-2-cores")]
    [InlineData("AMD Ryzen 7 7840U with Radeon 780M Graphics", "amd-ryzen-7-7840u-2-cores")]
    public void A_machine_has_a_folder_of_its_own(string cpu, string slug) => Assert.Equal(slug, new Machine(cpu, 2, "linux-x64").Slug());

    public void Dispose() => _directory.Dispose();
}
