using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>What a reader sees of every text file: no line is too long, and no body hangs below its head without braces.</summary>
public sealed partial class LayoutTests
{
    private const int Longest = 140;

    private static readonly string[] s_folders =
        [".ci", ".github", "bench", "docs", "examples", "export-scripts", "src", "tests"];

    // documents and scripts have tests of their own (DocumentShapeTests, ScriptTests)
    private static readonly string[] s_kinds =
    [
        ".cs", ".ts", ".css", ".html", ".yml", ".props", ".targets", ".csproj", "Dockerfile", "Makefile", "run",
    ];

    // made by the build, or expected numbers and texts: no line of these is written by hand
    private static readonly string[] s_notWritten = ["bin", "obj", "runs", "__pycache__", "Goldens"];

    [Fact]
    public void No_line_is_over_140_characters()
    {
        var files = new DirectoryInfo(SourceTree.Root).GetFiles()
            .Concat(s_folders.SelectMany(f => Below(new DirectoryInfo(Path.Combine(SourceTree.Root, f)))))
            .Where(f => f.LinkTarget is null && s_kinds.Any(k => IsOf(f, k)))
            .ToList();
        Assert.All(s_kinds, kind => Assert.Contains(files, f => IsOf(f, kind)));
        var wrong = files.SelectMany(f => File.ReadLines(f.FullName)
            .Index()
            .Where(l => l.Item.Length > Longest)
            .Select(l => $"{Path.GetRelativePath(SourceTree.Root, f.FullName)}:{l.Index + 1} has {l.Item.Length} characters"));
        None(wrong);
    }

    /// <summary>IDE0011 lets a body without braces pass on the line below its head;
    /// the house puts it on the same line or in braces.</summary>
    [Theory, InlineData("src"), InlineData("tests"), InlineData("examples"), InlineData("bench")]
    public void No_body_hangs_below_its_head_without_braces(string folder) =>
        None(SourceTree.Files(folder)
            .SelectMany(f => HangingBody().Matches(SourceTree.WithoutStrings(f.Code))
                .Select(m => $"{f.Path}: {Regex.Replace(m.Value.Trim(), @"\s+", " ")}")));

    [Fact]
    public void A_hanging_body_is_seen()
    {
        Assert.Matches(HangingBody(), "        if (a(b) && c)\n            return;\n");
        Assert.Matches(HangingBody(), "    else\n        Write(x);\n");
        Assert.DoesNotMatch(HangingBody(), "    if (a) return;\n    foreach (var x in y)\n    {\n        Write(x);\n    }\n");
        Assert.DoesNotMatch(HangingBody(), "    using (a())\n    using (b())\n    {\n    }\n");
    }

    // Assert.Empty shows the first five only, and each cut short
    private static void None(IEnumerable<string> offenders)
    {
        var all = string.Join('\n', offenders);
        Assert.True(all.Length == 0, all);
    }

    private static bool IsOf(FileInfo file, string kind) =>
        kind[0] == '.' ? file.Name.EndsWith(kind, StringComparison.Ordinal) : file.Name == kind;

    private static IEnumerable<FileInfo> Below(DirectoryInfo folder) =>
        folder.GetFiles()
            .Concat(folder.GetDirectories().Where(d => d.LinkTarget is null && !s_notWritten.Contains(d.Name)).SelectMany(Below));

    // a head that its line ends with (its brackets balanced), and further right on the next line anything but a brace
    [GeneratedRegex(@"^(?<indent> *)((else )?(if|for|foreach|while|using|lock|fixed) ?"
        + @"\((?>[^()\n]+|(?<open>\()|(?<-open>\)))*(?(open)(?!))\)|else) *\n\k<indent> +[^\s{][^\n]*", RegexOptions.Multiline)]
    private static partial Regex HangingBody();
}
