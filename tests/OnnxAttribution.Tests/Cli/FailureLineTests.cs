using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Cli;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The line that an exception becomes: our sentences as they are,
/// the system's refusals with what to do, and all else as the program's own fault.</summary>
public class FailureLineTests
{
    [Fact]
    public void Our_sentences_stay_in_whatever_type_they_come()
    {
        Assert.Equal("one two", FailureLine.Of(new GraphException("one\r\ntwo"), "graph"));
        var thrown = Assert.Throws<FormatException>(() => FeatureName.Parse("nothing"));
        Assert.Equal(thrown.Message, FailureLine.Of(thrown, "features"));
    }

    [Fact]
    public void A_setting_is_named_by_its_option()
    {
        Assert.Equal("too few (--top)", FailureLine.Of(new GraphException("too few") { Settings = [Setting.Top] }, "graph"));
        Assert.Equal("It is there (--force or --out).",
            FailureLine.Of(new GraphException("It is there.") { Settings = [Setting.Force, Setting.Out] }, "graph"));
        var inner = new GraphException("too few") { Settings = [Setting.PrependBos, Setting.Top, Setting.Sites] };
        Assert.Equal("x: too few (--prepend-bos, --top or --sites)", FailureLine.Of(new BundleException("x: too few", inner), "graph"));
    }

    [Fact]
    public void Only_options_that_the_verb_has_are_named()
    {
        var options = new HashSet<string> { "--top", "--sites" };
        var e = new GraphException("too few") { Settings = [Setting.PrependBos, Setting.Top, Setting.Sites] };
        Assert.Equal("too few (--top or --sites)", FailureLine.Of(e, "graph", options));
        e = new GraphException("Too few.") { Settings = [Setting.Aggregate] };
        Assert.Equal("Too few.", FailureLine.Of(e, "validate", options));
        e = new GraphException("too few") { Settings = [Setting.Top, Setting.Force] };
        Assert.Equal("x: too few (--top)", FailureLine.Of(new BundleException("x: too few", e), "graph", options));
    }

    [Fact]
    public void Every_setting_has_an_option()
    {
        var reference = File.ReadAllText(Path.Combine(Repository.Root, "docs", "reference", "cli.md"));
        Assert.All(Enum.GetValues<Setting>(), s => Assert.Contains($"`{FailureLine.OptionOf(s)}", reference));
    }

    [Fact]
    public void What_only_the_program_can_have_done_is_told_as_its_fault()
    {
        Exception[] faults =
        [
            Assert.Throws<ArgumentOutOfRangeException>(() => new List<int>().RemoveAt(3)), Assert.Throws<KeyNotFoundException>(() =>
                new Dictionary<string, int>()["a"]), Assert.Throws<FormatException>(() => int.Parse("a")),
            new IndexOutOfRangeException(), new NullReferenceException(), new InvalidCastException(),
        ];
        Assert.All(faults, e =>
        {
            var line = FailureLine.Of(e, "graph");
            Assert.StartsWith("graph stopped by a fault of the program", line);
            Assert.Contains("--verbose", line);
            Assert.DoesNotContain('\n', line);
        });
    }

    [Theory]
    [InlineData(28, "No space left on device : '/x'", "make room")]
    [InlineData(24, "Too many open files : '/x'", "ulimit -n")]
    [InlineData(12, "Cannot allocate memory : '/x'", "ulimit -v")]
    public void What_the_system_refuses_ends_in_what_to_do(int code, string message, string fix)
    {
        var line = FailureLine.Of(new IOException(message, code), "export");
        Assert.StartsWith("export was refused by the system: ", line);
        Assert.Contains(fix, line);
        Assert.Contains("/x", line);
    }

    [Fact]
    public void Too_little_memory_is_told_as_such() => Assert.Contains("more memory", FailureLine.Of(new OutOfMemoryException(), "graph"));

    [Fact]
    public void Where_nothing_can_be_said_the_exit_code_says_it()
    {
        using var full = new FullWriter();
        Assert.Equal(ExitCodes.Failed, CommandLine.Run(["query", "no such run", "SELECT 1"], TextWriter.Null, full));
        Assert.Equal(ExitCodes.WrongUsage, CommandLine.Run(["graph"], TextWriter.Null, full));
    }

    private sealed class FullWriter : StringWriter
    {
        public override void Write(string? value) => throw new IOException("No space left on device", 28);
    }
}
