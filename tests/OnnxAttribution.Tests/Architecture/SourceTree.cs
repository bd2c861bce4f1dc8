using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>The repository's C# files, as they lie in the working tree that the tests were built from.</summary>
internal static partial class SourceTree
{
    public static string Root { get; } = FindRoot();

    /// <summary>Layers of the library: a folder may use only the folders before it. Export comes before Runtime, so that a bundle can be made without ONNX Runtime.</summary>
    public static IReadOnlyList<string> Layers { get; } = ["Files", "Onnx", "Autodiff", "Checkpoints", "Export", "Runtime", "Attribution", "Ablation", "Store", "Runs", "Dashboards", "Preflight", "View"];

    /// <summary>Path relative to <paramref name="folder"/> (itself relative to the root), and code without comments.</summary>
    public static IEnumerable<(string Path, string Code)> Files(string folder)
    {
        var top = Path.Combine(Root, folder);
        return Directory.GetFiles(top, "*.cs", SearchOption.AllDirectories).Select(f => (Path: Path.GetRelativePath(top, f).Replace('\\', '/'), Full: f))
            .Where(f => !f.Path.Split('/').Any(p => p is "obj" or "bin")).Select(f => (f.Path, Comments().Replace(File.ReadAllText(f.Full), "")));
    }

    /// <summary>The code with its strings emptied.</summary>
    public static string WithoutStrings(string code) => Strings().Replace(code, "\"\"");

    // strings are matched so that what looks like a comment within them stays
    [GeneratedRegex("""(?<="(?:[^"\\\n]|\\.)*)//(?=(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/""", RegexOptions.Singleline)]
    private static partial Regex Comments();

    [GeneratedRegex("""("{3,}).*?\1|"(?:[^"\\\n]|\\.)*" """, RegexOptions.Singleline | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Strings();

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "OnnxAttribution.sln"))) return at.FullName;
        }
        throw new DirectoryNotFoundException($"no OnnxAttribution.sln above {AppContext.BaseDirectory}: the tests of the architecture read the sources");
    }
}
