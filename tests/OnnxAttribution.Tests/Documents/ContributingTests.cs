using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>CONTRIBUTING.md lists files: each is there, so that whoever renames one corrects the list.</summary>
public sealed partial class ContributingTests
{
    private static Document Contributing => Document.Read("CONTRIBUTING.md");

    [Fact]
    public void Every_path_that_contributing_names_is_there()
    {
        var paths = Contributing.CodeSpans().Where(s => Path().IsMatch(s)).ToList();
        Assert.True(paths.Count > 30, string.Join(' ', paths));
        Assert.All(paths, path => Assert.True(Exists(path), $"CONTRIBUTING.md names {path}, which is not there"));
    }

    [Theory]
    [InlineData("Add an operator", "src/OnnxAttribution/Autodiff/VjpRules.cs")]
    [InlineData("Add an architecture", "src/OnnxAttribution/Export/Architectures.cs")]
    [InlineData("Add a dictionary format", "src/OnnxAttribution/Checkpoints/Formats/DictionaryFormats.cs")]
    [InlineData("Add a verb", "src/OnnxAttribution.Cli/CommandLine.cs")]
    [InlineData("Add a column, or a table", "src/OnnxAttribution/Store/TableRows.cs")]
    public void Each_task_names_code_and_tests(string heading, string file)
    {
        var task = Contributing.Prose.SkipWhile(l => l != $"## {heading}")
            .Skip(1)
            .TakeWhile(l => !l.StartsWith("## ", StringComparison.Ordinal))
            .ToList();
        Assert.Contains(task, l => l.Contains($"`{file}`"));
        Assert.Contains(task, l => l.Contains("`tests/"));
    }

    // a name may hold a star
    private static bool Exists(string path)
    {
        var full = System.IO.Path.Combine(Repository.Root, path);
        return System.IO.Path.Exists(full)
            || (path.Contains('*')
                && Directory.EnumerateFiles(System.IO.Path.GetDirectoryName(full)!, System.IO.Path.GetFileName(full)).Any());
    }

    // from the repository's root, such as src/OnnxAttribution/Runs
    [GeneratedRegex(@"^(src|tests|docs|models|examples|bench|export-scripts)/[\w./*-]+$")]
    private static partial Regex Path();
}
