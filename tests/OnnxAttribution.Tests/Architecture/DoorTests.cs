using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>The one door of each outside package, and what holds for every file of the house.</summary>
public partial class DoorTests
{
    private const string Library = "src/OnnxAttribution";

    [Theory]
    [InlineData("ONNX Runtime", @"\bMicrosoft\.ML\.OnnxRuntime\b|\bOrtValue\b|\bInferenceSession\b|\bSessionOptions\b", "Runtime")]
    [InlineData("DuckDB and Parquet",
        @"\bDuckDB\.NET\b|\bDuckD[Bb]\w+|\bduckdb_\w+|\bParquet(Sharp|\.Net)\b|\busing Parquet\b|LibraryImport\([^)]*duckdb", "Store")]
    [InlineData("Google.Protobuf", @"\bGoogle\.Protobuf\b", "Onnx,Bundles,Export,Runtime")]
    [InlineData("YamlDotNet", @"\bYamlDotNet\b", "Texts")]
    [InlineData("SkiaSharp", @"\bSkiaSharp\b|\bSK[A-Z]\w+", "Print")]
    [InlineData("the network", @"\bHttp(Client|Request|Response)\w*\b|\bSystem\.Net\.|\bTcpClient\b", "Hub")]
    [InlineData("the command line's libraries", @"\bSpectre\.Console\b|\bSystem\.CommandLine\b", "")]
    public void Each_outside_package_has_its_door(string package, string names, string doors)
    {
        var wrong = SourceTree.Files(Library).Where(f => !doors.Split(',').Contains(f.Path.Split('/')[0]) && Regex.IsMatch(f.Code, names))
            .Select(f => $"{f.Path} names {package}: {Regex.Match(f.Code, names).Value}");
        Assert.Empty(wrong);
    }

    [Fact]
    public void The_command_line_names_neither_the_runtime_nor_the_database()
    {
        Assert.DoesNotContain(SourceTree.Files("src/OnnxAttribution.Cli"),
            f => Regex.IsMatch(SourceTree.WithoutStrings(f.Code), @"\b(Microsoft\.ML\.OnnxRuntime|Google\.Protobuf|DuckDB\.NET)\b"));
    }

    [Fact]
    public void Texts_come_into_tables_by_one_door_which_escapes_them()
    {
        var wrong = SourceTree.Files("src/OnnxAttribution.Cli").Where(f => f.Path is not ("Terminal/Screen.cs" or "Reports/ContextText.cs")
            && Regex.IsMatch(f.Code, @"new (Text|Markup|Paragraph|TableTitle)\(|Markup(Line|Interpolated)|\bAnsiConsole\."));
        Assert.Empty(wrong.Select(f => f.Path));
        var consoles = SourceTree.Files("src")
            .Where(f => f.Path is not ("OnnxAttribution.Cli/Program.cs" or "OnnxAttribution.Cli/CommandLine.cs"
                or "OnnxAttribution.Cli/Terminal/DisplayWriter.cs") && Regex.IsMatch(f.Code, @"\bConsole\.(Out|Error|Write|OpenStandard)"));
        Assert.Empty(consoles.Select(f => f.Path));
    }

    [Fact]
    public void No_type_is_named_for_being_of_use()
    {
        var types = SourceTree.Files("src").SelectMany(f => TypeName().Matches(f.Code).Select(m => (f.Path, Name: m.Groups["name"].Value)));
        Assert.DoesNotContain(types, t => Regex.IsMatch(t.Name, "(Utils?|Utilities|Utility|Helpers?|Common|Manager)$"));
        Assert.True(types.Count() > 50);
    }

    [Theory, InlineData("src"), InlineData("bench"), InlineData("tests")]
    public void Files_are_under_300_lines(string folder)
    {
        var files = SourceTree.Files(folder).ToList();
        Assert.NotEmpty(files);
        Assert.DoesNotContain(files.Select(f => (f.Path, Lines: File.ReadLines(Path.Combine(SourceTree.Root, folder, f.Path)).Count())),
            f => f.Lines >= 300);
    }

    [GeneratedRegex(@"\b(class|struct|interface|enum|record)\s+(?<name>[A-Z]\w*)")]
    private static partial Regex TypeName();
}
