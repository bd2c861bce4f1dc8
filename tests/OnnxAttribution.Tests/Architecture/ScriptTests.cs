using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>What holds for every Python and shell script of the repository: each lies beside what it makes.</summary>
public sealed partial class ScriptTests
{
    private const int LongestLine = 140;

    public static TheoryData<string> Scripts =>
    [
        .. ((string[])["export-scripts", "tests/references", "models/tiny/training", "bench", "docs/results", "src", "python"])
            .SelectMany(f => Directory.GetFiles(Path.Combine(SourceTree.Root, f), "*", SearchOption.AllDirectories))
            .Where(f => Path.GetExtension(f) is ".py" or ".sh").Select(f => Path.GetRelativePath(SourceTree.Root, f).Replace('\\', '/'))
            .Where(f => !f.Split('/').Any(p => p is "bin" or "obj")),
    ];

    [Fact]
    public void Only_scripts_that_bring_weights_stand_among_those_for_users() => Assert.Equal(["export_torch.py"],
        Scripts.Select(s => s.Data).Where(s => s.StartsWith("export-scripts/", StringComparison.Ordinal)).Select(Path.GetFileName).Order());

    [Theory, MemberData(nameof(Scripts))]
    public void No_line_is_too_long(string script) =>
        Assert.Empty(File.ReadLines(Path.Combine(SourceTree.Root, script)).Index().Where(l => l.Item.Length > LongestLine)
            .Select(l => $"{script}:{l.Index + 1}"));

    [Theory, MemberData(nameof(Scripts))]
    public void A_script_that_is_named_with_its_path_is_there(string script)
    {
        var named = Named().Matches(File.ReadAllText(Path.Combine(SourceTree.Root, script))).Select(m => m.Value);
        Assert.All(named, n => Assert.True(File.Exists(Path.Combine(SourceTree.Root, n)), $"{script} names {n}, which is not there"));
    }

    [GeneratedRegex(@"\b(export-scripts|tests|models/tiny|bench|docs)/[\w./-]*\.(py|sh)\b")]
    private static partial Regex Named();
}
