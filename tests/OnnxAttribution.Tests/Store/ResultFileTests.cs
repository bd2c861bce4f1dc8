using System.Diagnostics;
using System.Net.Sockets;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Store;

/// <summary>Whatever writes a file that its user names replaces a file where that is asked for, and nothing else:
/// no pipe, no device, no link, and no part of a run or of a bundle.</summary>
public sealed class ResultFileTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly AwkwardDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string Run => Directory.Exists(_directory["run"]) ? _directory["run"] : RunSamples.Write(_directory);

    /// <summary>Each as the command line calls it, with --force.</summary>
    public static TheoryData<string> Writers => ["view", "query", "parquet", "curve", "circuit"];

    private void Write(string writer, string file, bool force = true)
    {
        switch (writer)
        {
            case "view": ViewOf(file, force); break;
            case "query": new RunQuery([Run]).WriteText("FROM nodes", file, Mode(force), (rows, stream) => rows.WriteCsv(stream)); break;
            case "parquet": new RunQuery([Run]).WriteParquet("FROM nodes", file, Mode(force)); break;
            case "curve": RunDirectory.WriteRows<CurveRow>(file, [], force, [], default); break;
            default: RunDirectory.WriteRows<CircuitRow>(file, [], force, [], default); break;
        }
    }

    private static WriteMode Mode(bool force) => force ? WriteMode.Replace : WriteMode.CreateNew;

    // the verb, as what it throws
    private void ViewOf(string file, bool force)
    {
        var done = Verb.Run(["view", Run, "--format", "svg", "--out", file, .. force ? ["--force"] : Array.Empty<string>()]);
        if (done.Code != 0) throw new InvalidOperationException(done.Failed(1).Error);
    }

    [Theory, MemberData(nameof(Writers))]
    public async Task A_pipe_or_socket_stays_what_it_is(string writer)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "makes a named pipe by a POSIX program");
        var (pipe, made) = (_directory["pipe"], Process.Start("mkfifo", [_directory["pipe"]]));
        Assert.Equal(0, Patience.ExitOf(made));
        File.CreateSymbolicLink(_directory["to pipe"], pipe);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_directory["s"]));
        foreach (var (name, kind) in new[] { ("pipe", "a pipe"), ("to pipe", "a pipe"), ("s", "a socket") })
        {
            await Patience.Of(() =>
            {
                void Refused() => Write(writer, _directory[name]);
                Assert.Contains($"cannot be written: it is {kind}, not a file; name a file", Assert.ThrowsAny<Exception>(Refused).Message);
            }, $"{writer} to {kind}");
        }
        Assert.Equal("it is a pipe, not a file; name a file", RegularFile.ProblemOfPlace(pipe));
        Assert.Equal("it is a socket, not a file; name a file", RegularFile.ProblemOfPlace(_directory["s"]));
        Assert.Equal(pipe, new FileInfo(_directory["to pipe"]).LinkTarget);
        Assert.Throws<NotAFileException>(() => OutputFile.Write(pipe, stream => stream.Write("x"u8)));
    }

    [Theory, MemberData(nameof(Writers))]
    public void A_link_stays_and_what_it_leads_to_is_written(string writer)
    {
        var (link, file) = (_directory["link"], Path.Combine(Directory.CreateDirectory(_directory["deep"]).FullName, "file"));
        File.WriteAllText(file, "old");
        File.CreateSymbolicLink(link, Path.Combine("deep", "file"));
        Assert.Contains("--force", ForceNeeded(() => Write(writer, link, force: false)));
        Assert.Equal("old", File.ReadAllText(file));
        Write(writer, link);
        Assert.Equal(Path.Combine("deep", "file"), new FileInfo(link).LinkTarget);
        Assert.NotEqual("old", File.ReadAllText(file));
        Assert.Single(Directory.EnumerateFileSystemEntries(_directory["deep"]));
        File.CreateSymbolicLink(_directory["ahead"], Path.Combine("deep", "new"));
        Write(writer, _directory["ahead"], force: false);
        Assert.True(File.Exists(Path.Combine(_directory["deep"], "new")));
    }

    [Theory, MemberData(nameof(Writers))]
    public void No_part_of_a_run_is_replaced_by_whatever_path(string writer)
    {
        Directory.CreateSymbolicLink(_directory["way"], Run);
        var before = Contents(Run);
        foreach (var name in (string[])["nodes.parquet", "edges.parquet", "run.json", "validation.parquet"])
        {
            File.CreateSymbolicLink(_directory["link"], Path.Combine(_directory["way"], name));
            foreach (var path in (string[])[Path.Combine(Run, name), Path.Combine(_directory["way"], ".", name), _directory["link"]])
            {
                // a picture's and a table's name say more than their place, which is looked at first
                Assert.Contains("is a part of its run and is never replaced",
                    Assert.ThrowsAny<Exception>(() => Write(writer == "view" ? "query" : writer, path)).Message);
            }
            File.Delete(_directory["link"]);
        }
        Assert.Equal(before, Contents(Run));
    }

    [Fact]
    public void A_table_replaces_its_own_kind_in_a_run()
    {
        Write("curve", Path.Combine(Run, "curve.parquet"), force: false);
        Write("curve", Path.Combine(Run, "curve.parquet"));
        Assert.Throws<RunDirectoryException>(() => Write("circuit", Path.Combine(Run, "curve.parquet")));
        Assert.True(RunDirectory.HasTable(Run, "curve"));
    }

    [Fact]
    public void No_part_of_a_bundle_is_replaced()
    {
        var before = Contents(model.Bundle);
        foreach (var name in (string[])["bundle.json", "model.onnx", "dictionaries/blocks.0.hook_mlp_out/cfg.json", FeatureTable.FileName])
        {
            var error = Verb.Run("query", Run, "FROM nodes", "--out", Path.Combine(model.Bundle, name), "--force").Failed(1, name);
            Assert.Contains("is a part of its bundle and is never replaced", error.Error);
        }
        Assert.Equal(before, Contents(model.Bundle));
        Verb.Run("view", Run, "--out", Path.Combine(model.Bundle, "bundle.json"), "--force").Failed(1, "part of its bundle");
    }

    [Fact]
    public void Query_replaces_a_file_only_by_force()
    {
        var file = _directory["mine.txt"];
        File.WriteAllText(file, "mine");
        Verb.Run("query", Run, "FROM nodes", "--out", file).Failed(1, file, "exists already", "(--force)");
        Verb.Run("query", Run, "FROM nodes", "--format", "parquet", "--out", file).Failed(1, file, "exists already", "(--force)");
        Assert.Equal("mine", File.ReadAllText(file));
        Verb.Run("query", Run, "FROM nodes", "--out", file, "--force").Done();
        Assert.Contains("blocks.0.hook_resid_pre", File.ReadAllText(file));
        Verb.Run("query", Run, "FROM nodes", "--force").Failed(2, "--force goes with --out");
    }

    private static string ForceNeeded(Action write) => Assert.ThrowsAny<Exception>(write) switch
    {
        RunDirectoryException e => Assert.Single(e.Settings) is Setting.Force ? "--force" : "",
        var e => e.Message,
    };

    private static string[] Contents(string directory) =>
        [.. Directory.EnumerateFiles(directory).Order().Select(f => $"{f} {Convert.ToHexString(File.ReadAllBytes(f))}")];
}
