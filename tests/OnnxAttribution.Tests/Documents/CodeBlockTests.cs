namespace OnnxAttribution.Tests.Documents;

/// <summary>C# in documents is a part of a program of <c>examples/</c>, and every such program is run by a document's command.</summary>
public sealed class CodeBlockTests
{
    public static TheoryData<string> Documents => [.. Document.All.Where(d => Code(d).Any()).Select(d => d.Name)];

    [Theory, MemberData(nameof(Documents))]
    public void Code_in_a_document_is_a_part_of_an_example(string name)
    {
        var programs = ExampleProgram.All.Select(f => Joined(File.ReadLines(Path.Combine(Repository.Root, f)))).ToList();
        foreach (var block in Code(Document.Read(name)))
        {
            var isPart = programs.Exists(p => p.Contains(Joined(block.Lines), StringComparison.Ordinal));
            Assert.True(isPart, $"{name}:{block.FirstLine}: no program of examples/ has these lines");
        }
    }

    [Fact]
    public void Every_example_is_run_by_a_document()
    {
        var commands = Document.All.SelectMany(DocumentCommand.Of).Where(c => c.ReasonNotRun is null);
        Assert.Equal(ExampleProgram.All, commands.Select(ExampleProgram.Of).OfType<string>().Distinct().Order(StringComparer.Ordinal));
    }

    private static IEnumerable<FencedBlock> Code(Document document) => document.Blocks.Where(b => b.Language == "csharp");

    private static string Joined(IEnumerable<string> lines) => string.Concat(lines.Select(l => l.Trim() + '\n'));
}
