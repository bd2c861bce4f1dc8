using System.Text;

namespace OnnxAttribution.Tests.Documents;

/// <summary>docs/reference/cli.md, made of what <c>--help</c> prints.</summary>
internal static class CliReference
{
    public const string File = "docs/reference/cli.md";

    private const string Example = "Example:", Version = "--version";

    private const string ExampleFence = "<!-- not run: an example of --help; the guides run commands like it -->\n```sh\n";

    private const string Required = " (REQUIRED)";

    private const string Head = """
        # Commands

        Made from `--help` by a test; do not edit. `onnx-attribution VERB --help` prints the same.
        """;

    public static string Text()
    {
        var program = HelpText.Of("");
        var verbs = Verbs(program);
        var text = new StringBuilder(Head).Append("\n\n");
        text.AppendJoin('\n', verbs.Select(v => $"- [{v}](#{v.Replace(' ', '-')})")).Append("\n\n");
        text.Append("## Every verb\n\n");
        Options(text, HelpText.Rows(program.Section("Options")).Where(row => row.Name != Version));
        text.Append("## Without a verb\n\n");
        Options(text, HelpText.Rows(program.Section("Options")).Where(row => row.Name == Version));
        var common = HelpText.Rows(program.Section("Options")).Select(r => r.Name).ToHashSet();
        foreach (var verb in verbs) Append(text, HelpText.Of(verb), common);
        return text.ToString().TrimEnd('\n') + "\n";
    }

    // a verb of verbs, such as sae, is shown by those
    private static List<string> Verbs(HelpText help)
    {
        var known = new[] { "Description", "Usage", "Arguments", "Options" };
        var rows = help.Sections.Where(s => !known.Contains(s.Title)).SelectMany(s => HelpText.Rows(s.Lines));
        var verbs = rows.Select(r => r.Name.Split(' ')[0]).Where(n => char.IsAsciiLetterLower(n[0])).Select(n => $"{help.Verb} {n}".Trim());
        return [.. verbs.SelectMany(v => Verbs(HelpText.Of(v)) is { Count: > 0 } inner ? inner : [v])];
    }

    private static void Append(StringBuilder text, HelpText help, HashSet<string> common)
    {
        text.Append("## ").Append(help.Verb).Append("\n\n");
        var description = help.Section("Description");
        var words = description.TakeWhile(l => !l.StartsWith(Example, StringComparison.Ordinal)).ToList();
        // a command over several lines is one command
        var shown = string.Join('\n', description.Skip(words.Count).Select(l => l.Replace(Example, "").Trim())).Replace(" \\\n", " ");
        var examples = shown.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        MarkdownText.Wrapped(text, "", Plain(string.Join(' ', words.Where(l => l.Length > 0))));
        text.Append("\n```text\n").AppendJoin('\n', help.Section("Usage")).Append("\n```\n\n");
        if (examples.Length > 0) text.Append(ExampleFence).AppendJoin('\n', examples.SelectMany(Broken)).Append("\n```\n\n");
        Options(text, HelpText.Rows(help.Section("Arguments")));
        Options(text, HelpText.Rows(help.Section("Options")).Where(r => !common.Contains(r.Name)));
    }

    private static void Options(StringBuilder text, IEnumerable<(string Name, IReadOnlyList<string> Meaning)> rows)
    {
        var list = rows.ToList();
        if (list.Count == 0) return;
        foreach (var (name, meaning) in list)
        {
            var code = name.EndsWith(Required, StringComparison.Ordinal) ? $"`{name[..^Required.Length]}` (required)" : $"`{name}`";
            MarkdownText.Wrapped(text, "- ", $"{code}: {Plain(string.Join(' ', meaning))}");
        }
        text.Append('\n');
    }

    // what Markdown would read as its own
    private static string Plain(string words) => words.Replace("<", "&lt;").Replace("*", "\\*");

    // a long command goes on in an indented line
    private static IEnumerable<string> Broken(string command)
    {
        while (command.Length > MarkdownText.Width)
        {
            var at = command.LastIndexOf(" --", MarkdownText.Width, StringComparison.Ordinal);
            if (at <= 4) at = command.LastIndexOf(' ', MarkdownText.Width);
            yield return command[..at] + " \\";
            command = "    " + command[(at + 1)..];
        }
        yield return command;
    }
}
