namespace OnnxAttribution.Tests.Documents;

/// <summary>A command as a document writes it, and the output that it shows.</summary>
/// <param name="Text">On one line, without a comment behind it.</param>
/// <param name="Shown">Lines; empty where the document shows no output.</param>
/// <param name="Where">Document and line.</param>
/// <param name="ReasonNotRun">Why it is not run; null where it is.</param>
internal sealed record DocumentCommand(string Text, IReadOnlyList<string> Shown, string Where, string? ReasonNotRun)
{
    private const string Prompt = "$ ";

    /// <summary>The program that is called, after variables that are set for it.</summary>
    public string Program => Words.First(w => !w.Contains('=')).Text;

    /// <summary>As a shell parts them, quotes taken away.</summary>
    public IReadOnlyList<ShellWord> Words { get; } = ShellWord.Split(Text);

    /// <summary>The commands of a document in their order: of <c>sh</c> blocks, a command a line, and of <c>console</c> blocks, each behind
    /// a <c>$</c> with its output below.</summary>
    public static IEnumerable<DocumentCommand> Of(Document document) => document.Blocks.SelectMany(b => b.Language switch
    {
        "sh" => Script(document, b),
        "console" => Transcript(document, b),
        _ => [],
    });

    private static IEnumerable<DocumentCommand> Script(Document document, FencedBlock block)
    {
        for (var i = 0; i < block.Lines.Count; i++)
        {
            var start = i;
            var text = Whole(block.Lines, ref i, "");
            if (text.Length > 0) yield return new DocumentCommand(text, [], Place(document, block, start), block.ReasonNotRun);
        }
    }

    private static IEnumerable<DocumentCommand> Transcript(Document document, FencedBlock block)
    {
        for (var i = 0; i < block.Lines.Count; i++)
        {
            var start = i;
            var isCommand = block.Lines[i].StartsWith(Prompt, StringComparison.Ordinal);
            Assert.True(isCommand, $"{Place(document, block, i)}: no '$ ' before a command");
            var text = Whole(block.Lines, ref i, Prompt);
            var shown = block.Lines.Skip(i + 1).TakeWhile(l => !l.StartsWith(Prompt, StringComparison.Ordinal)).ToList();
            i += shown.Count;
            yield return new DocumentCommand(text, shown, Place(document, block, start), block.ReasonNotRun);
        }
    }

    private static string Place(Document document, FencedBlock block, int line) => $"{document.Name}:{block.FirstLine + line}";

    // a command goes on behind a line that ends in a backslash
    private static string Whole(IReadOnlyList<string> lines, ref int i, string prompt)
    {
        var text = lines[i][prompt.Length..].Trim();
        while (text.EndsWith('\\')) text = $"{text[..^1].Trim()} {lines[++i].Trim()}";
        return text.StartsWith('#') ? "" : text.Split("  #")[0].Trim();
    }

    public override string ToString() => $"{Where}: {Text}";
}
