namespace OnnxAttribution.Tests.Cli;

public sealed class CircuitDocumentationTests
{
    [Fact]
    public void The_documentation_shows_what_circuits_and_faithfulness_print()
    {
        using var directory = new TemporaryDirectory();
        Shown("Most moved by the circuit", Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--circuit", "1:170,414;2:428;3:263,588"));
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--sites", "resid", "--out", directory["resid"]).Done();
        Shown("Nodes outside the circuit set to 0, errors kept", Verb.Run("ablate", "--model", Repository.TinyModel, "--faithfulness", directory["resid"], "--errors", "keep"));
    }

    private static void Shown(string title, Verb verb)
    {
        var printed = verb.Done().Output.Split('\n').Select(l => l.TrimEnd()).ToHashSet();
        var block = File.ReadAllText(Path.Combine(Repository.Root, "docs/ablate.md")).Split("```").Single(b => b.Contains(title));
        var shown = block.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0 && l.Trim() != "…").ToList();
        Assert.True(shown.Count > 15, $"the example has only {shown.Count} lines");
        Assert.All(shown, l => Assert.Contains(l, printed));
    }
}
