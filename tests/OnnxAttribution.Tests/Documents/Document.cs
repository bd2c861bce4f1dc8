using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>One Markdown file of the repository: its lines, its fenced blocks, its headings and its links.</summary>
internal sealed partial class Document
{
    private static readonly string[] s_notOurs = ["node_modules", "bin", "obj", "TestResults", "runs", "artifacts"];

    private Document(string name, string[] lines)
    {
        Name = name;
        Lines = lines;
        Blocks = FencedBlock.Of(lines);
        var inside = Blocks.SelectMany(b => Enumerable.Range(b.FirstLine - 2, b.Lines.Count + 2)).ToHashSet();
        Prose = [.. lines.Index().Where(l => !inside.Contains(l.Index)).Select(l => l.Item)];
    }

    /// <summary>Path below the repository's root, with slashes.</summary>
    public string Name { get; }

    public IReadOnlyList<string> Lines { get; }

    public IReadOnlyList<FencedBlock> Blocks { get; }

    /// <summary>The lines outside of fenced blocks.</summary>
    public IReadOnlyList<string> Prose { get; }

    /// <summary>Every Markdown file of the checkout, in the order of its name.</summary>
    public static IReadOnlyList<Document> All { get; } =
        [.. Files(new DirectoryInfo(Repository.Root))
            .Select(f => Path.GetRelativePath(Repository.Root, f).Replace('\\', '/'))
            .Order(StringComparer.Ordinal)
            .Select(Read)];

    public static Document Read(string name) => new(name, File.ReadAllLines(Path.Combine(Repository.Root, name)));

    /// <summary>What a link's <c>#anchor</c> may name, by GitHub's rule: lower case, no punctuation, a hyphen for each space.</summary>
    public IReadOnlySet<string> Anchors()
    {
        var anchors = new HashSet<string>();
        foreach (var heading in Prose.Where(l => Heading().IsMatch(l)))
        {
            var text = MarkdownLink().Replace(heading.TrimStart('#').Trim(), "$1").ToLowerInvariant();
            var anchor = string.Concat(text.Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')).Replace(' ', '-');
            for (var i = 0; !anchors.Add(i == 0 ? anchor : $"{anchor}-{i}"); i++) { }
        }
        return anchors;
    }

    /// <summary>Targets of links and pictures, also those of HTML (<c>href</c>, <c>src</c>, <c>srcset</c>).</summary>
    public IEnumerable<string> Links() =>
        Prose.SelectMany(l => MarkdownLink().Matches(l).Concat(Target().Matches(InlineCode().Replace(l, ""))).Concat(HtmlLink().Matches(l)))
            .Select(m => m.Groups["to"].Value).Where(t => t.Length > 0).Distinct();

    /// <summary>Texts between back quotes.</summary>
    public IEnumerable<string> CodeSpans() => Prose.SelectMany(l => InlineCode().Matches(l)).Select(m => m.Groups[1].Value);

    private static IEnumerable<string> Files(DirectoryInfo directory) =>
        directory.GetFiles("*.md").Select(f => f.FullName)
            .Concat(directory.GetDirectories()
                .Where(d => !s_notOurs.Contains(d.Name) && (!d.Name.StartsWith('.') || d.Name == ".github"))
                .SelectMany(Files));

    [GeneratedRegex("^#{1,6} ")]
    private static partial Regex Heading();

    [GeneratedRegex(@"\[([^\[\]]*)\]\((?<to>[^()\s]+)\)")]
    private static partial Regex MarkdownLink();

    // the outer of two links in one another, such as a picture that leads somewhere
    [GeneratedRegex(@"\]\((?<to>[^()\s]+)\)")]
    private static partial Regex Target();

    [GeneratedRegex("(?:href|src|srcset)=\"(?<to>[^\"]+)\"")]
    private static partial Regex HtmlLink();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex InlineCode();
}
