namespace OnnxAttribution.Tests.Documents;

/// <summary>Lines, links and names of every document.</summary>
public sealed partial class DocumentShapeTests
{
    private const int LongestLine = 140, LongestReadme = 150;

    private static readonly string[] s_languages = ["", "sh", "console", "csharp", "json", "sql", "text", "python"];

    // programs whose commands a reader would copy: they have to stand in a block of a language that is tested
    private static readonly string[] s_programs = ["onnx-attribution ", "make ", "dotnet ", "python3 ", "bash ", "$ "];

    public static TheoryData<string> Documents => [.. Document.All.Select(d => d.Name)];

    [Fact]
    public void The_documents_are_found()
    {
        var names = Document.All.Select(d => d.Name).ToList();
        Assert.Contains("README.md", names);
        Assert.Contains("docs/concepts.md", names);
        Assert.Contains("models/tiny/README.md", names);
    }

    [Fact]
    public void The_readme_is_short() => Assert.InRange(Document.Read("README.md").Lines.Count, 60, LongestReadme);

    [Theory, MemberData(nameof(Documents))]
    public void No_line_is_too_long(string name)
    {
        var tooLong = Document.Read(name).Lines.Index().Where(l => l.Item.Length > LongestLine);
        Assert.Empty(tooLong.Select(l => $"{name}:{l.Index + 1} has {l.Item.Length} characters"));
    }

    [Fact]
    public void Pictures_are_small()
    {
        var linked = Document.All.SelectMany(d => d.Links().Select(l => d.Target(l).Path));
        var pictures = linked.Where(p => Path.GetExtension(p) == ".png").ToList();
        Assert.NotEmpty(pictures);
        Assert.All(pictures, p => Assert.InRange(new FileInfo(Path.Combine(Repository.Root, p)).Length, 10_000, 300_000));
    }

    [Theory, MemberData(nameof(Documents))]
    public void Every_link_leads_somewhere(string name)
    {
        var document = Document.Read(name);
        foreach (var link in document.Links())
        {
            var (path, anchor) = document.Target(link);
            Assert.True(Path.Exists(Path.Combine(Repository.Root, path)), $"{name} links to {link}: no {path}");
            if (anchor.Length == 0 || Path.GetExtension(path) != ".md") continue;
            Assert.True(Document.Read(path).Anchors().Contains(anchor), $"{name} links to {link}: {path} has no such heading");
        }
    }

    [Theory, MemberData(nameof(Documents))]
    public void Commands_stand_in_blocks_that_are_tested(string name)
    {
        var document = Document.Read(name);
        Assert.All(document.Blocks, b => Assert.True(s_languages.Contains(b.Language), $"{name}:{b.FirstLine - 1}: {b.Language}"));
        var indented = document.Prose.Where(l => l.StartsWith("    ", StringComparison.Ordinal));
        var plain = document.Blocks.Where(b => b.Language is "" or "text").SelectMany(b => b.Lines);
        var untested = plain.Concat(indented).Select(l => l.Trim());
        var commands = untested.Where(l => !l.Contains("[options]") && s_programs.Any(p => l.StartsWith(p, StringComparison.Ordinal)));
        Assert.Empty(commands);
    }

    [Fact]
    public void Every_document_can_be_reached_from_the_readme()
    {
        HashSet<string> seen = ["README.md"];
        var open = new Queue<string>(seen);
        while (open.TryDequeue(out var name))
        {
            var document = Document.Read(name);
            foreach (var path in document.Links().Select(l => document.Target(l).Path).Where(p => Path.GetExtension(p) == ".md"))
            {
                if (seen.Add(path)) open.Enqueue(path);
            }
        }
        Assert.Empty(Document.All.Select(d => d.Name).Where(n => !n.StartsWith(".github/", StringComparison.Ordinal)).Except(seen));
    }
}
