using OnnxAttribution.Bench;

namespace OnnxAttribution.Tests.Bench;

public sealed class SpeedTablesTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Pages =>
        [.. Files("docs", "*.md").Append(Path.Combine(Repository.Root, "README.md"))
            .Where(p => File.ReadAllText(p).Contains("<!-- speed: ")).Select(Named)];

    public static TheoryData<string> Records => [.. Files("benchmarks", "*.json").Select(Named)];

    [Theory, MemberData(nameof(Pages))]
    public void The_tables_of_speed_are_what_the_records_give(string page)
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, page));
        Assert.Equal(MarkedTables.Filled(text, Repository.Root), text);
    }

    [Theory, MemberData(nameof(Records))]
    public void Every_record_lies_where_its_machine_says_and_is_as_it_is_written(string file)
    {
        var path = Path.Combine(Repository.Root, file);
        IBenchRecord record = Path.GetFileName(file).Split('-')[0] switch
        {
            "graph" => RecordFile.Read<GraphRecord>(path),
            "batch" => RecordFile.Read<BatchRecord>(path),
            "dataset" => RecordFile.Read<DatasetSpeedRecord>(path),
            _ => RecordFile.Read<AblationRecord>(path),
        };
        Assert.Equal(Path.Combine("benchmarks", record.Setting.Machine.Slug(), record.Name + ".json"), file);
        Assert.Equal(RecordFile.Text(record), File.ReadAllText(path));
    }

    [Fact]
    public void A_page_is_filled_between_its_marks_and_nowhere_else()
    {
        RecordFile.Write(_directory.Path, RecordSamples.GraphInAllWays());
        RecordFile.Write(_directory.Path, RecordSamples.Ablation());
        File.WriteAllText(_directory["page.md"], Marked("acme-one-2-cores"));
        MarkedTables.Fill(_directory["page.md"], _directory.Path);
        var filled = File.ReadAllText(_directory["page.md"]);
        string[] lines =
        [
            "| measured, model loaded | **700 ms** (600 to 800) |", "| operations needed; their floor | 48.0 GFLOP; 240 ms |",
            "| ratio to the floor | 2.9 |", "| node effects | 200 ms |",
            "| PyTorch 1.13: slow (extrapolated) | 126.00 s | 315.0 times as fast |", "| PyTorch 1.13: fast | 0.20 s | 0.5 times: slower |",
            "| measured | 28.0 s | 130.0 s |", "| ratio to the floor | 1.12 | 1.04 |",
            "| `graph --refine off` | 48.0 GFLOP | 700 ms | 1.00 |",
            "| `--refine 32`: 256 nodes one block deep, 30 all the way | 100.0 GFLOP | 1400 ms | 2.00 |",
            "| `--edges exact`, peak 9.0 GiB | 150.0 GFLOP | 1750 ms | 2.50 |",
            "| `--heads`, of the 1,000 strongest edges | – | 900 ms | 1.50 |",
            "| gpt2, 16 tokens | 63 | 2,960 | 48 GFLOP; 0.2 s | 0.7 s | 2.9 | 0.1 s | 0.0 s | 0.4 s | 8.0 GiB |",
            "| gpt2, 24,576 features at 37 sites | 48.0 GFLOP | 0.70 s (200 GFLOP/s) | 2.9 | 8.0 GiB | 3.8 s |",
        ];
        Assert.All(lines, l => Assert.Contains(l + "\n", filled));
        Assert.Contains("ONNX Runtime 1.31.1", filled);
        Assert.DoesNotContain("by hand", filled);
        Assert.StartsWith("before\n<!-- speed: graph", filled);
        Assert.EndsWith("<!-- /speed -->\nafter\n", filled);
        Assert.Contains("<!-- /speed -->\nbetween\n", filled);
        Assert.All(filled.Split('\n'), l => Assert.InRange(l.Length, 0, 140));
        Assert.Equal(filled, MarkedTables.Filled(filled, _directory.Path));
    }

    private static string Marked(string machine) => $"""
        before
        <!-- speed: graph {machine}/graph-gpt2.json -->
        | typed | by hand |
        <!-- /speed -->
        between
        <!-- speed: ways {machine}/graph-gpt2.json -->
        <!-- /speed -->
        <!-- speed: stages {machine}/graph-gpt2.json -->
        <!-- /speed -->
        <!-- speed: peers {machine}/graph-gpt2.json -->
        <!-- /speed -->
        <!-- speed: ablation {machine}/ablation-gpt2.json -->
        <!-- /speed -->
        <!-- speed: shapes {machine}/graph-gpt2.json {machine}/graph-gpt2.json -->
        <!-- /speed -->
        <!-- speed: setting {machine}/graph-gpt2.json -->
        <!-- /speed -->
        <!-- speed: lengths {machine}/graph-gpt2.json -->
        <!-- /speed -->
        after

        """.ReplaceLineEndings("\n");

    [Fact]
    public void A_page_says_what_is_not_measured_yet()
    {
        var filled = MarkedTables.Filled("<!-- speed: graph none.json -->\n| typed |\n<!-- /speed -->\n", _directory.Path);
        Assert.Equal("<!-- speed: graph none.json -->\nNot measured on this machine yet; `make bench` does.\n<!-- /speed -->\n", filled);
    }

    [Fact]
    public void A_page_says_that_no_peer_was_timed()
    {
        RecordFile.Write(_directory.Path, RecordSamples.Graph() with { Peers = null });
        var filled = MarkedTables.Filled("<!-- speed: peers acme-one-2-cores/graph-gpt2.json -->\n<!-- /speed -->", _directory.Path);
        Assert.Contains("\nNot timed: PyTorch was not there.\n", filled);
    }

    [Theory]
    [InlineData("<!-- speed: graph a.json -->\n| no end |\n", "has no end")]
    [InlineData("<!-- speed: grahp a.json -->\n<!-- /speed -->", "'grahp a.json' is no table of speed")]
    [InlineData("<!-- speed: graph -->\n<!-- /speed -->", "'graph' is no table of speed")]
    public void A_mark_that_says_nothing_is_refused(string text, string words) =>
        Assert.Contains(words, Assert.Throws<FormatException>(() => MarkedTables.Filled(text, _directory.Path)).Message);

    public void Dispose() => _directory.Dispose();

    private static string[] Files(string folder, string pattern) =>
        Directory.GetFiles(Path.Combine(Repository.Root, folder), pattern, SearchOption.AllDirectories);

    private static string Named(string path) => Path.GetRelativePath(Repository.Root, path);
}
