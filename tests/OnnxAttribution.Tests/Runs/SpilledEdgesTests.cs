using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Runs;

/// <summary>Graphs of models/tiny whose edges do not fit into memory.</summary>
public sealed class SpilledEdgesTests : IDisposable
{
    private static readonly GraphOptions s_all = new GraphOptions().Linear().KeepingAll();

    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Asked => ["all", "threshold", "pruned", "exact"];

    [Theory, MemberData(nameof(Asked))]
    public void Files_have_the_same_bytes(string asked)
    {
        var options = asked switch
        {
            "threshold" => s_all with { EdgeThreshold = 1e-4f },
            "pruned" => s_all with { Prune = true, EdgeThreshold = 1e-3f, NodeThreshold = 1e-3f },
            "exact" => s_all with { Edges = EdgeMethod.Exact, TopNodes = 20 },
            _ => s_all,
        };
        var whole = Find(new RunContext(threads: 1), options);
        var spilled = Find(Small(), options);
        if (asked == "all") Assert.True(spilled.Graph.Edges is RecordSpill<CausalEdge> { IsSpilled: true });
        Assert.Equal(whole.Graph.Edges, spilled.Graph.Edges);
        Assert.Equal(whole.Graph.Nodes.Select(n => n.Kept), spilled.Graph.Nodes.Select(n => n.Kept));
        var contents = whole.Contents();
        RunDirectory.Write(_directory["whole"], contents, force: false, CancellationToken.None);
        foreach (var bytes in (long[])[0, 50_000, 1_000_000])
        {
            var parted = spilled.Contents() with { Record = contents.Record, EdgeBytes = bytes };
            RunDirectory.Write(_directory["spilled"], parted, force: true, CancellationToken.None);
            foreach (var file in (string[])[RunNames.EdgesFile, RunNames.NodesFile])
            {
                Assert.True(File.ReadAllBytes(Path.Combine(_directory["whole"], file))
                    .SequenceEqual(File.ReadAllBytes(Path.Combine(_directory["spilled"], file))), $"{file}, {bytes} bytes in memory");
            }
        }
        Assert.Equal(Directory.GetFileSystemEntries(_directory["whole"]).Length,
            Directory.GetFileSystemEntries(_directory["spilled"]).Length);
    }

    [Fact]
    public void A_fault_while_edges_are_written_aside_leaves_nothing()
    {
        using (new FileSteps(_directory["aside"], _ => throw new IOException("refused by the test")))
        {
            Assert.Throws<SpillException>(() => Find(Small(), s_all));
        }
        Assert.Empty(Directory.GetFileSystemEntries(_directory["aside"]));
        Directory.CreateDirectory(_directory["out"]);
        var contents = Find(new RunContext(threads: 1), s_all).Contents() with { EdgeBytes = 0 };
        using (new FileSteps(_directory["out"], path =>
        {
            if (path.EndsWith(".spill", StringComparison.Ordinal)) throw new IOException("refused by the test");
        }))
        {
            Assert.ThrowsAny<OnnxAttributionException>(
                () => RunDirectory.Write(_directory["out/run"], contents, force: false, CancellationToken.None));
        }
        Assert.Empty(Directory.GetFileSystemEntries(_directory["out"]));
    }

    private RunContext Small() => new(threads: 1) { EdgeRoom = new SpillRoom(0, _directory["aside"]) };

    private static GraphRun Find(RunContext context, GraphOptions options)
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, context);
        return GraphRun.Find(model, new PromptTask("Copyright (C", Target: ")"), new GraphRequest(options));
    }

    public void Dispose() => _directory.Dispose();
}
