using System.CommandLine;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verbs of one task, as <c>--help</c> lists them: a line each.</summary>
/// <param name="Task">One word, such as <c>Draw</c>.</param>
/// <param name="Verbs">With what each does, in so few words that they stay on one line.</param>
internal sealed record VerbGroup(string Task, params IReadOnlyList<(Command Verb, string Summary)> Verbs)
{
    /// <summary>The help of the whole program with these groups in place of the verbs' descriptions.</summary>
    /// <param name="help">As System.CommandLine prints it: its last section is the list of verbs.</param>
    public static string Listed(string help, IReadOnlyList<VerbGroup> groups)
    {
        var width = groups.SelectMany(g => g.Verbs).Max(v => Name(v.Verb).Length);
        var sections = groups.Select(g =>
            string.Join('\n', g.Verbs.Select(v => $"  {Name(v.Verb).PadRight(width)}  {v.Summary}").Prepend($"{g.Task}:")));
        var text = help.ReplaceLineEndings("\n");
        text = text[..text.IndexOf("\nCommands:\n", StringComparison.Ordinal)].TrimEnd('\n');
        var options = text.IndexOf("\nOptions:\n", StringComparison.Ordinal) + 1;
        return string.Join("\n\n", [$"{text[..options].TrimEnd('\n')}\n  onnx-attribution VERB --help", .. sections, text[options..]])
            + "\n";
    }

    // a verb of verbs is called by one of them, of which there is one so far
    private static string Name(Command verb) => verb.Subcommands is [var only] ? $"{verb.Name} {only.Name}" : verb.Name;
}
