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
        [.. Files(new DirectoryInfo(Repository.Root)).Select(NameOf).Order(StringComparer.Ordinal).Select(Read)];

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

    /// <summary>Links and pictures within the repository, also those of HTML (<c>href</c>, <c>src</c>, <c>srcset</c>).</summary>
    public IEnumerable<string> Links() =>
        Prose.Select(l => InlineCode().Replace(l, "")).SelectMany(l => LinkTarget().Matches(l).Concat(HtmlLink().Matches(l)))
            .Select(m => m.Groups["to"].Value).Where(t => !t.Contains("://")).Distinct();

    /// <summary>Texts between back quotes.</summary>
    public IEnumerable<string> CodeSpans() => Prose.SelectMany(l => InlineCode().Matches(l)).Select(m => m.Groups[1].Value);

    /// <summary>What a link of this document leads to: a path below the repository's root, and what follows a <c>#</c>.</summary>
    public (string Path, string Anchor) Target(string link)
    {
        var parts = link.Split('#', 2);
        var path = parts[0].Length == 0 ? Name : NameOf(Path.Combine(Repository.Root, Path.GetDirectoryName(Name)!, parts[0]));
        return (path, parts.Length > 1 ? parts[1] : "");
    }

    private static string NameOf(string file) => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');

    private static IEnumerable<string> Files(DirectoryInfo directory) =>
        directory.GetFiles("*.md").Select(f => f.FullName).Concat(directory.GetDirectories().Where(IsOurs).SelectMany(Files));

    private static bool IsOurs(DirectoryInfo directory) =>
        !s_notOurs.Contains(directory.Name) && (!directory.Name.StartsWith('.') || directory.Name == ".github");

    [GeneratedRegex("^#{1,6} ")]
    private static partial Regex Heading();

    [GeneratedRegex(@"\[([^\[\]]*)\]\([^()\s]+\)")]
    private static partial Regex MarkdownLink();

    // also of two links in one another, such as a picture that leads somewhere
    [GeneratedRegex(@"\]\((?<to>[^()\s]+)\)")]
    private static partial Regex LinkTarget();

    [GeneratedRegex("(?:href|src|srcset)=\"(?<to>[^\"]+)\"")]
    private static partial Regex HtmlLink();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex InlineCode();
}
