using System.Text.Json;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>Whatever the program and its pages carry of others' work is named with its licence.</summary>
public sealed class NoticeTests
{
    // by the first words of a package's name
    private static readonly (string Package, string Work)[] s_works =
    [
        ("Microsoft.ML.OnnxRuntime", "ONNX Runtime"), ("DuckDB.NET.", "DuckDB.NET"), ("Apache.Arrow", "Apache Arrow"),
        ("Google.Protobuf", "Protocol Buffers for C#"), ("MathNet.Numerics", "Math.NET Numerics"), ("Spectre.Console", "Spectre.Console"),
        ("System.CommandLine", "System.CommandLine"), ("System.Numerics.Tensors", "System.Numerics.Tensors"),
        ("System.IO.Hashing", "System.IO.Hashing"), ("YamlDotNet", "YamlDotNet"), ("SkiaSharp", "SkiaSharp"),
    ];

    private static string Notice => File.ReadAllText(Path.Combine(Repository.Root, "NOTICE"));

    [Fact]
    public void Every_package_beside_the_program_is_named()
    {
        var folder = Path.Combine(Repository.Root, "src", "OnnxAttribution.Cli", "bin");
        var dependencies = Directory.EnumerateFiles(folder, "onnx-attribution.deps.json", SearchOption.AllDirectories)
            .MaxBy(File.GetLastWriteTimeUtc)!;
        using var json = JsonDocument.Parse(File.ReadAllText(dependencies));
        var packages = json.RootElement.GetProperty("libraries")
            .EnumerateObject()
            .Where(l => l.Value.GetProperty("type").GetString() == "package")
            .Select(l => l.Name.Split('/')[0])
            .ToList();
        Assert.True(packages.Count > 5, string.Join(' ', packages));
        Assert.All(packages,
            package => Assert.Contains(s_works.Single(w => package.StartsWith(w.Package, StringComparison.Ordinal)).Work, Notice));
        foreach (var file in (string[])["LICENSE", "NOTICE", "onnxruntime-ThirdPartyNotices.txt",
            "skiasharp-ThirdPartyNotices.txt"])
        {
            Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(dependencies)!, file)), file);
        }
    }

    [Fact]
    public void The_carried_fonts_are_named()
    {
        var fonts = typeof(OnnxAttribution.View.Page.RunPage).Assembly.GetManifestResourceNames()
            .Where(n => n.EndsWith(".ttf", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, fonts.Count);
        Assert.All(fonts, f => Assert.StartsWith("DejaVuSansCondensed", f));
        Assert.Contains("DejaVu Sans Condensed", Notice);
        Assert.Contains("The Font Software may be sold as part of a larger software package", Notice);
    }

    [Fact]
    public void Every_page_library_is_named_in_the_notice_and_in_the_page()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "package-lock.json")));
        var bundled = json.RootElement.GetProperty("packages").EnumerateObject().Select(p => p.Name)
            .Where(p => p.StartsWith("node_modules/d3-", StringComparison.Ordinal)).Select(p => p.Split('/')[1]).ToList();
        Assert.Contains("d3-zoom", bundled);
        using var page = typeof(OnnxAttribution.View.Page.RunPage).Assembly.GetManifestResourceStream("graph-page.html")!;
        var text = new StreamReader(page).ReadToEnd();
        Assert.All(bundled, name => Assert.Contains(name, Notice));
        Assert.All(bundled, name => Assert.Contains(name, text));
        Assert.Contains("Permission to use, copy, modify, and/or distribute this software", text);
        Assert.Contains("Redistributions in binary form must reproduce", text);
    }
}
