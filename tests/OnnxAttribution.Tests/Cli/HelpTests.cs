using OnnxAttribution.Tests.Documents;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>onnx-attribution --help</c>: verbs by task, a line each.</summary>
public sealed class HelpTests
{
    private static readonly string[] s_tasks = ["Prepare", "Draw", "Check", "Ablate", "Read", "Set up"];

    [Fact]
    public void Verbs_stand_under_their_task_on_a_line_each()
    {
        var help = HelpText.Of("");
        Assert.Equal([.. (string[])["Description", "Usage"], .. s_tasks, "Options"], help.Sections.Select(s => s.Title));
        var rows = s_tasks.SelectMany(t => help.Section(t)).ToList();
        Assert.All(rows, row => Assert.InRange(row.Length, 20, 90));
        var listed = rows.Select(row => row.Split("  ")[0].Split(' ')[0]).ToList();
        var known = Verb.Run("[suggest:0]", "")
            .Done().Output
            .Split('\n', StringSplitOptions.TrimEntries)
            .Where(w => w.Length > 0 && char.IsAsciiLetter(w[0]));
        Assert.Equal(known.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Help_of_a_verb_says_all_of_it()
    {
        var help = HelpText.Of("view");
        Assert.Equal(["Description", "Usage", "Arguments", "Options"], help.Sections.Select(s => s.Title));
        Assert.Contains(help.Section("Options"), line => line.StartsWith("--format", StringComparison.Ordinal));
    }
}
