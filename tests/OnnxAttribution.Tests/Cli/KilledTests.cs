using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Killed between any two steps, a verb leaves what was there before or what it makes, whole;
/// the same call then fixes the rest.</summary>
public sealed class KilledTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string Place => _directory["place"];

    private string Run => Path.Combine(Place, "run");

    private string Bundle => Path.Combine(Place, "bundle");

    [Fact]
    public void Graph_leaves_the_old_run_or_the_new_one()
    {
        Graph("JApF");
        var known = new HashSet<string> { "JApF", "abc" };
        var seen = AtEachStep(["graph", "--model", model.Bundle, "--prompt", "abc", "--out", Run, "--force"], place =>
        {
            var facts = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(place, "run", "run.json")))!;
            Verb.Run("query", Path.Combine(place, "run"), "SELECT count(*) FROM edges").Done();
            return (string)facts["prompt"]!;
        });
        Assert.Superset(seen, known);
        Assert.Equal(known, seen);
    }

    [Fact]
    public void Validate_and_view_leave_a_run_that_can_be_asked()
    {
        Graph("JApF");
        AtEachStep(["validate", Run, "--sample", "3"], AskedRun);
        AtEachStep(["view", Run, "--force"], AskedRun);
    }

    [Fact]
    public void Export_leaves_the_old_bundle_or_the_new_one()
    {
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Bundle, "--no-check").Done();
        Assert.Equal(2,
            AtEachStep(["export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Bundle, "--no-check", "--force", "--fold-layernorm"],
                WholeBundle).Count);
    }

    [Fact]
    public void Export_into_the_checkpoint_leaves_the_old_bundle_or_the_new_one()
    {
        Random2.Copy(Bundle, withDictionaries: true);
        Verb.Run("export", "--checkpoint", Bundle, "--out", Bundle, "--no-check").Done();
        // without layernorm folded and with it, and the other way round
        Assert.Equal(2,
            AtEachStep(["export", "--checkpoint", Bundle, "--out", Bundle, "--no-check", "--fold-layernorm"], WholeBundle).Count);
        Assert.Equal(2, AtEachStep(["export", "--checkpoint", Bundle, "--out", Bundle, "--no-check"], WholeBundle).Count);
    }

    [Fact]
    public void Features_leaves_the_old_table_or_the_new_one()
    {
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Bundle, "--no-check").Done();
        File.WriteAllText(_directory["text"], string.Concat(Enumerable.Repeat("The quick brown fox. ", 200)));
        string[] args = ["features", "--model", Bundle, "--text", _directory["text"], "--sites", "0.attn", "--window", "3", "--force"];
        Verb.Run([.. args, "--tokens", "500"]).Done();
        AtEachStep([.. args, "--tokens", "1000"],
            place => Verb.Run("features", "--model", Path.Combine(place, "bundle"), "--show", "0.attn:1").Code.ToString());
    }

    // the real thing: a process that the kernel kills in the middle of a commit
    [Theory]
    [InlineData("graph", "renameat2")]
    [InlineData("export", "renameat2")]
    [InlineData("export", "unlink")]
    public void Killed_by_the_kernel_it_leaves_the_old_or_the_new(string verb, string call)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/strace"), "needs strace, which kills at a system call");
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Bundle, "--no-check").Done();
        Graph("JApF");
        string[] args = verb == "graph" ? ["graph", "--model", model.Bundle, "--prompt", "abc", "--out", Run, "--force", "--no-page"]
            : ["export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Bundle, "--no-check", "--force", "--fold-layernorm"];
        for (var step = 1; step < 4; step++)
        {
            var killed = Traced(call, step, args) != 0;
            AskedRun(Place);
            WholeBundle(Place);
            if (!killed) break;
        }
        Verb.Run(args).Done();
        Assert.Equal(["bundle", "run"],
            Directory.EnumerateFileSystemEntries(Place).Select(e => Path.GetFileName(e)).Order(StringComparer.Ordinal));
    }

    private int Traced(string call, int step, string[] args)
    {
        using var process = Process.Start(new ProcessStartInfo("/usr/bin/strace",
            ["-f", "-qq", "-o", _directory["trace"], "-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={step}",
                .. TestedProgram.Command, .. args])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        return process.ExitCode;
    }

    private void Graph(string prompt) => Verb.Run("graph", "--model", model.Bundle, "--prompt", prompt, "--out", Run).Done();

    private static string AskedRun(string place)
    {
        Verb.Run("query", Path.Combine(place, "run"), "SELECT (SELECT count(*) FROM nodes) + (SELECT count(*) FROM edges)").Done();
        return "";
    }

    private static string WholeBundle(string place)
    {
        var bundle = ModelBundle.Open(Path.Combine(place, "bundle"));
        Assert.Empty(BundleFiles.Differing(bundle.Directory, bundle.Manifest, CancellationToken.None));
        return bundle.Manifest.WeightProcessing.ToString();
    }

    /// <summary>Calls the verb, looks at the place as each step finds it and as the last one leaves it,
    /// and calls the verb again on each of these.</summary>
    private HashSet<string> AtEachStep(string[] args, Func<string, string> look)
    {
        var left = new List<string>();
        using (new FileSteps(Place,
            _ => Copy(Place, Directory.CreateDirectory(_directory[$"killed-{Guid.NewGuid():N}"]).FullName, left.Add)))
        {
            Verb.RunHere(CancellationToken.None, args).Done();
        }
        Assert.NotEmpty(left);
        HashSet<string> seen = [look(Place), .. left.Select(look)];
        foreach (var killed in left.Where((_, i) => i % 3 == 0))
        {
            Verb.Run([.. args.Select(a => a.Replace(Place, killed))]).Done();
            Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(killed, "*", SearchOption.AllDirectories)
                .Select(e => Path.GetFileName(e)), name => name.StartsWith('.') || name == BundleManifest.NextGraphFileName);
        }
        return seen;
    }

    private static void Copy(string from, string to, Action<string> done)
    {
        foreach (var directory in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, directory)));
        }
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            // held by the writer, and empty
            if (file.EndsWith(".lock", StringComparison.Ordinal)) File.WriteAllText(copy, "");
            else File.Copy(file, copy);
        }
        done(to);
    }
}
