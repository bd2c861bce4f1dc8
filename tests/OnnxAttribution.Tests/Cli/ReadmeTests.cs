using OnnxAttribution.Cli;

namespace OnnxAttribution.Tests.Cli;

public class ReadmeTests
{
    [Fact]
    public void The_readme_shows_what_the_demo_prints()
    {
        using var directory = new TemporaryDirectory();
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter());
        var code = CommandLine.Run(["graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--out", directory["copyright"]], output, error);
        Assert.True(code == 0, error.ToString());
        var printed = output.ToString().Split('\n').Select(l => l.TrimEnd()).ToHashSet();
        var block = File.ReadAllText(Path.Combine(Repository.Root, "README.md")).Split("```")[1].Split('\n').Select(l => l.TrimEnd());
        // rows of tables and the first lines; paths, sizes and times differ between runs
        var shown = block.Where(l => l.StartsWith('│') || l.StartsWith("prompt") || l.StartsWith("next") || l.StartsWith("metric") || l.StartsWith("kept")).ToList();
        Assert.True(shown.Count > 25, $"the README's example has only {shown.Count} lines");
        Assert.All(shown, l => Assert.Contains(l, printed));
    }

    [Fact]
    public void The_readme_shows_what_validate_prints()
    {
        using var directory = new TemporaryDirectory();
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--out", directory["copyright"]).Done();
        var printed = Verb.Run("validate", directory["copyright"], "--compare", "gradient,ig,relp,frozen").Done().Output.ReplaceLineEndings("\n");
        // figures of rounding's size differ between machines, so rows of whole tables are compared where none is that small
        var cells = printed.Split('\n').Select(Cells).ToHashSet();
        var block = Block("README.md", "Approximate against exact");
        var shown = block.Split('\n').Where(l => l.StartsWith('│') && !l.Contains(" 0.0")).ToList();
        Assert.True(shown.Count > 30, $"the README's example has only {shown.Count} lines");
        Assert.All(shown, l => Assert.Contains(Cells(l), cells));
    }

    private static string Cells(string line) => string.Join('|', line.Split('│').Select(c => c.Trim()));

    [Fact]
    public void The_documentation_shows_what_a_response_curve_prints()
    {
        var verb = Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--up", "1:133", "--down", "3:226", "--coefficients", "-0.4..2:0.2").Done();
        var block = Block("docs/ablate.md", "--up 1:133").Trim().Split('\n').Skip(1);
        // without --out nothing is written; the clock differs
        Assert.Equal(Lines(block), Lines(verb.Output.Split('\n')));

        static string[] Lines(IEnumerable<string> text) => [.. text.Select(l => l.TrimEnd()).Where(l => l.Length > 0 && !l.StartsWith("time") && !l.StartsWith("wrote"))];
    }

    [Theory, InlineData("README.md"), InlineData("docs/ablate.md")]
    public void The_documentation_shows_what_ablate_prints(string file)
    {
        using var directory = new TemporaryDirectory();
        Shows(Block(file, "Strongest ablations"), Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--sites", "resid", "--out", directory["ablated"]));
    }

    [Fact]
    public void The_readme_shows_what_a_circuit_prints() =>
        Shows(Block("README.md", "circuit  5 features"), Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--circuit", "1:170,414;2:428;3:263,588"));

    [Fact]
    public void The_readme_shows_what_a_feature_prints() =>
        Shows(Block("README.md", "strongest contexts"), Verb.Run("features", "--model", Repository.TinyModel, "--show", "3:263"));

    [Fact]
    public void The_readmes_picture_is_there_and_small()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        Assert.Contains("(docs/graph-page.png)", readme);
        Assert.InRange(new FileInfo(Path.Combine(Repository.Root, "docs", "graph-page.png")).Length, 10_000, 300_000);
    }

    private static void Shows(string block, Verb verb)
    {
        var printed = verb.Done().Output.Split('\n').Select(l => l.TrimEnd()).ToHashSet();
        var shown = block.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0 && l.Trim() != "…").ToList();
        Assert.True(shown.Count > 8, $"the example has only {shown.Count} lines");
        Assert.All(shown, l => Assert.Contains(l, printed));
    }

    private static string Block(string file, string containing) => File.ReadAllText(Path.Combine(Repository.Root, file)).Split("```").Single(b => b.Contains(containing));
}
