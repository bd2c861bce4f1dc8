using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Documents;

/// <summary>The table of models is made from the architectures that are built in; the text around it is its own.</summary>
public sealed class ModelTableTests
{
    private const string File = "docs/guides/your-model.md", Head = "| `model_type` | models | what is computed |";

    [Fact]
    public void The_table_of_models_is_made_from_the_architectures()
    {
        List<string> lines = [.. Document.Read(File).Lines];
        var first = lines.IndexOf(Head) + 2;
        Assert.NotEqual(1, first);
        var behind = lines.FindIndex(first, line => !line.StartsWith('|'));
        var rows = Architectures.All.Select(a => $"| `{a.ModelType}` | {a.Models} | {a.Computed} |");
        MadeDocument.Holds(File, string.Join('\n', [.. lines[..first], .. rows, .. lines[behind..]]) + "\n");
    }

    [Fact]
    public void Every_architecture_is_read_by_its_own_type() =>
        Assert.Equal(Architectures.All.Count, Architectures.All.Select(a => a.ModelType).Distinct().Count());
}
