using System.Diagnostics;
using System.Text.RegularExpressions;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Packaging;

/// <summary>What <c>make pack</c> left in artifacts/ for this machine.</summary>
/// <remarks>Tests of it are explicit, since compiling ahead of time takes minutes: <c>make package</c> makes it and runs them.</remarks>
internal static partial class Packages
{
    public static string Folder { get; } = Path.Combine(Repository.Root, "artifacts");

    /// <summary>Of the tool's package that points at those of the platforms.</summary>
    public static string Version { get; } = Only(PointerName()).Groups[1].Value;

    /// <summary>The program and its natives, compressed.</summary>
    public static string Archive { get; } = Path.Combine(Folder, Only(ArchiveName()).Value);

    /// <summary>Files in a directory that lie flat beside the program and that it cannot do without.</summary>
    public static IReadOnlyList<string> BesideTheProgram { get; } =
    [
        "LICENSE", "NOTICE", "onnxruntime-ThirdPartyNotices.txt", "skiasharp-ThirdPartyNotices.txt", "dotnet-ThirdPartyNotices.txt",
        "templates/ioi.yaml",
        .. OperatingSystem.IsWindows() ? ["onnxruntime.dll", "duckdb.dll", "libSkiaSharp.dll"]
            : OperatingSystem.IsMacOS() ? ["libonnxruntime.dylib", "libduckdb.dylib", "libSkiaSharp.dylib"]
            : (string[])["libonnxruntime.so", "libduckdb.so", "libSkiaSharp.so"],
    ];

    public static string Executable => OperatingSystem.IsWindows() ? "onnx-attribution.exe" : "onnx-attribution";

    /// <summary>An installed program draws the demo's graph in a directory of its own,
    /// and the graph is the one of the program that the tests were built with.</summary>
    /// <param name="environment">All that the program sees of the environment; null: what the tests see.</param>
    public static void DrawsTheDemo(string program, TemporaryDirectory directory, IReadOnlyDictionary<string, string>? environment = null)
    {
        Verb Run(params string[] args) => Verb.Start(Call(program, args, directory.Path, environment)).Done();
        Assert.Equal(Lines(Verb.Run("--version").Done())[0], Lines(Run("--version"))[0]);
        string[] demo = ["graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--out"];
        Assert.Contains("Strongest edges", Run([.. demo, "installed"]).Output);
        Verb.Run([.. demo, directory["built"]]).Done();
        var (installed, built) = (Edges(directory["installed"]), Edges(directory["built"]));
        Assert.True(built.Count > 500, $"the demo has only {built.Count} edges");
        Assert.Equal(built.Keys, installed.Keys);
        // sums over vector units of another width round otherwise
        Assert.All(built, edge => Assert.Equal(edge.Value, installed[edge.Key], 1e-4 * Math.Max(1, Math.Abs(edge.Value))));
        Run("view", "installed", "--boxes", "--out", "boxes.png");
        Assert.True(new FileInfo(directory["boxes.png"]).Length > 20_000);
        Assert.Contains("validated", Run("validate", "installed", "--sample", "5").Output);
    }

    /// <summary>A call of a program, with nothing on its standard input.</summary>
    public static ProcessStartInfo Call(string program, string[] args, string directory,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, args) { WorkingDirectory = directory };
        if (environment is null) return start;
        start.Environment.Clear();
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return start;
    }

    private static string[] Lines(Verb verb) => verb.Output.Split('\n', StringSplitOptions.TrimEntries);

    private static SortedDictionary<string, double> Edges(string run)
    {
        var csv = Verb.Run("query", run, "SELECT COLUMNS('(up|down)_.*'), effect FROM edges", "--format", "csv").Done();
        var rows = Lines(csv)
            .Skip(1)
            .Where(line => line.Length > 0)
            .Select(line => (line[..line.LastIndexOf(',')], line[(line.LastIndexOf(',') + 1)..]));
        return new(rows.ToDictionary(row => row.Item1, row => double.Parse(row.Item2)), StringComparer.Ordinal);
    }

    private static Match Only(Regex name)
    {
        var found = Directory.Exists(Folder)
            ? Directory.GetFiles(Folder).Select(f => name.Match(Path.GetFileName(f))).Where(m => m.Success).ToList()
            : [];
        return found is [var only]
            ? only
            : throw new InvalidOperationException($"{Folder} holds {found.Count} files named like {name}; run 'make package'");
    }

    [GeneratedRegex(@"^onnx-attribution\.(\d.*)\.nupkg$")]
    private static partial Regex PointerName();

    [GeneratedRegex(@"^onnx-attribution-\d.*\.tar\.gz$")]
    private static partial Regex ArchiveName();
}
