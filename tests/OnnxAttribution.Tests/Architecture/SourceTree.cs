using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>The repository's C# files, as they lie in the working tree that the tests were built from.</summary>
internal static partial class SourceTree
{
    public static string Root { get; } = FindRoot();

    /// <summary>Rooms of the library, as folders and namespaces: each may use only the rooms before it.</summary>
    public static IReadOnlyList<string> Rooms { get; } =
    [
        "Files", "Print", "Onnx", "Autodiff", "Checkpoints", "Bundles", "Hub", "Runtime", "Tokenizers", "Export", "Dictionaries", "Model",
        "Texts", "Attribution", "Ablation", "Circuits", "Curves", "Lenses", "Validation", "Patching", "Clusters", "Store", "Comparison",
        "Runs", "Dashboards", "Preflight", "View", "View.Figures", "View.Page", "View.Live", "View.Formats",
    ];

    /// <summary>The room of a file of the library, by the folders of its path; the folder's own name where it is no room.</summary>
    public static string RoomOf(string path)
    {
        var folder = string.Join('.', path.Split('/')[..^1]);
        while (folder.Contains('.') && !Rooms.Contains(folder)) folder = folder[..folder.LastIndexOf('.')];
        return folder;
    }

    /// <summary>Paths relative to <paramref name="folder"/>, which is itself relative to the root.</summary>
    public static IEnumerable<string> Paths(string folder)
    {
        var top = Path.Combine(Root, folder);
        return Directory.GetFiles(top, "*.cs", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(top, f).Replace('\\', '/'))
            .Where(f => !f.Split('/').Any(p => p is "obj" or "bin"));
    }

    /// <summary>Path as <see cref="Paths"/> gives it, and code without comments.</summary>
    public static IEnumerable<(string Path, string Code)> Files(string folder) =>
        Paths(folder).Select(f => (f, Comments().Replace(File.ReadAllText(Path.Combine(Root, folder, f)), "")));

    /// <summary>The code with its strings emptied, but for what is interpolated into them where that is to be kept.</summary>
    public static string WithoutStrings(string code, bool keepInterpolated = false) =>
        Strings()
            .Replace(code, s => keepInterpolated ? $" {string.Join(' ', Interpolated().Matches(s.Value).Select(m => m.Value))} " : "\"\"");

    [GeneratedRegex("""\{[^{}]*\}?""")]
    private static partial Regex Interpolated();

    // strings are matched so that what looks like a comment within them stays
    [GeneratedRegex("""(?<="(?:[^"\\\n]|\\.)*)//(?=(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/""", RegexOptions.Singleline)]
    private static partial Regex Comments();

    [GeneratedRegex("""("{3,}).*?\1|"(?:[^"\\\n]|\\.)*" """, RegexOptions.Singleline | RegexOptions.IgnorePatternWhitespace)]
    internal static partial Regex Strings();

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "OnnxAttribution.sln"))) return at.FullName;
        }
        throw new DirectoryNotFoundException(
            $"no OnnxAttribution.sln above {AppContext.BaseDirectory}: the tests of the architecture read the sources");
    }
}
