using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>
/// The arrows between the library's folders, and the one door of each outside package:
/// <code>
/// Files &lt;- Onnx &lt;- Autodiff &lt;- Checkpoints &lt;- Export &lt;- Runtime &lt;- Attribution &lt;- Ablation &lt;- Store &lt;- Runs &lt;- Dashboards &lt;- Preflight &lt;- View     a folder may use only the folders before it
/// Runtime: ONNX Runtime      Store: DuckDB, Parquet      Onnx, Export, Runtime: Google.Protobuf (ONNX files are made, written and handed over there)
/// </code>
/// Read off the sources: using directives and names such as OnnxAttribution.Export.Site or Export.Site. Comments and strings do not count.
/// </summary>
public partial class LayerTests
{
    private const string Library = "src/OnnxAttribution";

    [Fact]
    public void A_folder_uses_only_the_folders_before_it()
    {
        var wrong = new List<string>();
        foreach (var (path, code) in SourceTree.Files(Library))
        {
            var own = SourceTree.Layers.ToList().IndexOf(path.Split('/')[0]);
            foreach (Match m in LayerName().Matches(SourceTree.WithoutStrings(code)))
            {
                if (SourceTree.Layers.ToList().IndexOf(m.Groups["layer"].Value) > own) wrong.Add($"{path} uses {m.Value}, which comes after {path.Split('/')[0]}");
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_file_of_the_library_lies_in_a_layer_and_its_namespace_is_its_folders()
    {
        foreach (var (path, code) in SourceTree.Files(Library))
        {
            var layer = path.Split('/')[0];
            Assert.Contains(layer, SourceTree.Layers);
            var name = Namespace().Match(code).Groups["name"].Value;
            Assert.True(name == $"OnnxAttribution.{layer}" || name.StartsWith($"OnnxAttribution.{layer}.", StringComparison.Ordinal), $"{path} has namespace {name}");
        }
    }

    [Theory]
    [InlineData("ONNX Runtime", @"\bMicrosoft\.ML\.OnnxRuntime\b|\bOrtValue\b|\bInferenceSession\b|\bSessionOptions\b", "Runtime")]
    [InlineData("DuckDB and Parquet", @"\bDuckDB\.NET\b|\bDuckD[Bb]\w+|\bduckdb_\w+|\bParquet(Sharp|\.Net)\b|\busing Parquet\b|LibraryImport\([^)]*duckdb", "Store")]
    [InlineData("Google.Protobuf", @"\bGoogle\.Protobuf\b", "Onnx,Export,Runtime")]
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
        Assert.DoesNotContain(SourceTree.Files("src/OnnxAttribution.Cli"), f => f.Code.Contains("Microsoft.ML.OnnxRuntime") || f.Code.Contains("Google.Protobuf") || f.Code.Contains("DuckDB.NET"));
    }

    [Fact]
    public void Texts_come_into_tables_by_one_door_which_escapes_them()
    {
        var wrong = SourceTree.Files("src/OnnxAttribution.Cli").Where(f => f.Path is not ("Screen.cs" or "ContextText.cs") && Regex.IsMatch(f.Code, @"new (Text|Markup|Paragraph|TableTitle)\(|Markup(Line|Interpolated)|\bAnsiConsole\."));
        Assert.Empty(wrong.Select(f => f.Path));
        var consoles = SourceTree.Files("src").Where(f => f.Path is not ("OnnxAttribution.Cli/Program.cs" or "OnnxAttribution.Cli/CommandLine.cs" or "OnnxAttribution.Cli/DisplayWriter.cs") && Regex.IsMatch(f.Code, @"\bConsole\.(Out|Error|Write|OpenStandard)"));
        Assert.Empty(consoles.Select(f => f.Path));
    }

    [Fact]
    public void No_type_is_named_for_being_of_use()
    {
        var types = SourceTree.Files("src").SelectMany(f => TypeName().Matches(f.Code).Select(m => (f.Path, Name: m.Groups["name"].Value)));
        Assert.DoesNotContain(types, t => Regex.IsMatch(t.Name, "(Utils?|Utilities|Utility|Helpers?|Common|Manager)$"));
        Assert.True(types.Count() > 50);
    }

    [Theory, InlineData("src"), InlineData("tests")]
    public void Files_are_under_300_lines(string folder)
    {
        var files = SourceTree.Files(folder).ToList();
        Assert.NotEmpty(files);
        Assert.DoesNotContain(files.Select(f => (f.Path, Lines: File.ReadLines(Path.Combine(SourceTree.Root, folder, f.Path)).Count())), f => f.Lines >= 300);
    }

    // OnnxAttribution.Runtime, or Runtime.GraphRunner where OnnxAttribution. goes without saying
    [GeneratedRegex(@"(\bOnnxAttribution\.|(?<![\w.""])(?=\w+\.[A-Z]))(?<layer>Files|Onnx|Autodiff|Checkpoints|Export|Runtime|Attribution|Ablation|Store|Runs|Dashboards|Preflight|View)\b(\.\w+)?")]
    private static partial Regex LayerName();

    [GeneratedRegex(@"^namespace (?<name>[\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"\b(class|struct|interface|enum|record)\s+(?<name>[A-Z]\w*)")]
    private static partial Regex TypeName();
}
