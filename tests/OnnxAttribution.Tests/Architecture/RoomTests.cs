using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>
/// The arrows between the library's rooms (<see cref="SourceTree.Rooms"/>) and between the files of each room.
/// Read off the sources: which file names a type that another one declares.
/// Comments and strings do not count, but what is interpolated into strings does.
/// </summary>
public partial class RoomTests
{
    private const string Library = "src/OnnxAttribution";

    private static readonly Lazy<IReadOnlyList<SourceFile>> Sources =
        new(() => [.. SourceTree.Files(Library).Select(f => new SourceFile(f.Path, f.Code))]);

    [Fact]
    public void Every_file_lies_in_a_room_and_its_namespace_is_its_folders()
    {
        foreach (var file in Sources.Value)
        {
            Assert.Contains(file.Room, SourceTree.Rooms);
            Assert.Equal($"OnnxAttribution.{string.Join('.', file.Path.Split('/')[..^1])}",
                Namespace().Match(file.Code).Groups["name"].Value);
        }
        Assert.True(Sources.Value.Count > 300);
    }

    [Fact]
    public void A_room_uses_only_the_rooms_before_it()
    {
        var order = SourceTree.Rooms.ToList();
        Assert.Empty(
            from arrow in Arrows()
            where order.IndexOf(arrow.To.Room) > order.IndexOf(arrow.From.Room)
            select $"{arrow.From.Path} uses {arrow.Type} of {arrow.To.Room}, a later room");
    }

    [Fact]
    public void No_file_of_a_room_uses_one_that_uses_it()
    {
        var uses = Arrows()
            .Where(a => a.From.Room == a.To.Room && a.From.Concept != a.To.Concept)
            .ToLookup(a => a.From.Concept, a => a.To.Concept);
        Assert.Empty(Circles(uses).Select(c => string.Join(" -> ", c)));
    }

    [Fact]
    public void The_page_of_the_house_draws_these_rooms_in_this_order_and_names_types_that_there_are()
    {
        var page = File.ReadAllText(Path.Combine(SourceTree.Root, "ARCHITECTURE.md"));
        Assert.Equal(SourceTree.Rooms.Where(r => !r.Contains('.')), RoomLine().Matches(page).Select(m => m.Groups["name"].Value));
        var types = SourceTree.Files("src").Concat(SourceTree.Files("tests"))
            .SelectMany(f => Declaration().Matches(f.Code).Select(m => m.Groups["name"].Value)).ToHashSet();
        var named = TypeInText().Matches(page).Select(m => m.Groups["name"].Value).Distinct().ToList();
        Assert.Empty(named.Except(types));
        Assert.True(named.Count > 60);
    }

    [Fact]
    public void A_folder_of_the_command_line_uses_only_those_before_it_and_no_file_one_that_uses_it()
    {
        string[] folders = ["Cli/Terminal", "Cli/Options", "Cli/Reports", "Cli/Verbs", "Cli"];
        // the package's name is that of a type here
        SourceFile[] files = [.. SourceTree.Files("src/OnnxAttribution.Cli")
            .Select(f => new SourceFile($"Cli/{f.Path}", f.Code.Replace("System.CommandLine", "System", StringComparison.Ordinal)))];
        foreach (var file in files.Where(f => f.Path != "Cli/Program.cs"))
        {
            Assert.Contains(Folder(file), folders);
            Assert.Equal($"OnnxAttribution.{Folder(file).Replace('/', '.')}", Namespace().Match(file.Code).Groups["name"].Value);
            if (file.Code.Contains("new Command(", StringComparison.Ordinal)) Assert.Equal("Cli/Verbs", Folder(file));
        }
        var arrows = Arrows(files).ToList();
        Assert.True(arrows.Count > 100);
        Assert.Empty(
            from arrow in arrows
            where Array.IndexOf(folders, Folder(arrow.To)) > Array.IndexOf(folders, Folder(arrow.From))
            select $"{arrow.From.Path} uses {arrow.Type} of {Folder(arrow.To)}, a later folder");
        var uses = arrows.Where(a => a.From.Concept != a.To.Concept).ToLookup(a => a.From.Concept, a => a.To.Concept);
        Assert.Empty(Circles(uses).Select(c => string.Join(" -> ", c)));

        static string Folder(SourceFile file) => file.Path[..file.Path.LastIndexOf('/')];
    }

    [Theory]
    [InlineData("a>b,b>c", 0)]
    [InlineData("a>b,b>a", 1)]
    [InlineData("a>b,b>c,c>a,d>a", 1)]
    [InlineData("a>b,b>a,c>d,d>e,e>c", 2)]
    public void Circles_are_found(string arrows, int circles)
    {
        var uses = arrows.Split(',').Select(a => a.Split('>')).ToLookup(a => a[0], a => a[1]);
        Assert.Equal(circles, Circles(uses).Count());
    }

    [Fact]
    public void A_name_is_an_arrow_where_its_namespace_is_imported_or_spelled_out()
    {
        SourceFile[] files =
        [
            new("Onnx/Value.cs", "namespace OnnxAttribution.Onnx;\npublic sealed class Value;"),
            new("Store/Imported.cs",
                "using OnnxAttribution.Onnx;\nnamespace OnnxAttribution.Store;\ninternal sealed class Imported { Value? V; }"),
            new("Store/Spelled.cs", "namespace OnnxAttribution.Store;\ninternal sealed class Spelled { Onnx.Value? V; }"),
            new("Store/Quoted.cs", "namespace OnnxAttribution.Store;\ninternal sealed class Quoted { string V = \"Onnx.Value\"; }"),
            new("Store/Interpolated.cs", "using OnnxAttribution.Onnx;\nnamespace OnnxAttribution.Store;\ninternal sealed class I { string "
                + "V => $\"of {new Value(\"x\")}\"; }"),
        ];
        Assert.Equal(["Imported", "Interpolated", "Spelled"], Arrows(files).Select(a => a.From.Concept["Store/".Length..]).Order());
    }

    private static IEnumerable<Arrow> Arrows() => Arrows(Sources.Value);

    private static IEnumerable<Arrow> Arrows(IReadOnlyList<SourceFile> files)
    {
        var declared = files.SelectMany(f => f.Declares.Select(name => (name, f))).ToLookup(d => d.name, d => d.f);
        foreach (var from in files)
        {
            foreach (var name in from.Names)
            {
                foreach (var to in declared[name].Where(to => to.Path != from.Path && from.Sees(to, name)))
                {
                    yield return new Arrow(from, name, to);
                }
            }
        }
    }

    // strongly connected components of more than one file, by Tarjan's algorithm
    private static IEnumerable<IReadOnlyList<string>> Circles(ILookup<string, string> uses)
    {
        var (index, low, stack, found) = (new Dictionary<string, int>(), new Dictionary<string, int>(), new Stack<string>(),
            new List<IReadOnlyList<string>>());
        foreach (var file in uses.Select(u => u.Key)) Visit(file);
        return found;

        void Visit(string file)
        {
            if (!index.TryAdd(file, index.Count)) return;
            low[file] = index[file];
            stack.Push(file);
            foreach (var next in uses[file].Distinct())
            {
                Visit(next);
                if (stack.Contains(next)) low[file] = Math.Min(low[file], low[next]);
            }
            if (low[file] != index[file]) return;
            var circle = new List<string>();
            do circle.Add(stack.Pop()); while (circle[^1] != file);
            if (circle.Count > 1) found.Add([.. circle.Order()]);
        }
    }

    private sealed record Arrow(SourceFile From, string Type, SourceFile To);

    /// <summary>A file of the library: what it declares, which names it uses and which rooms' names it can see.</summary>
    private sealed class SourceFile
    {
        public SourceFile(string path, string code)
        {
            (Path, Code) = (path, code);
            var bare = SourceTree.WithoutStrings(code, keepInterpolated: true);
            var body = UsingLine().Replace(bare, "");
            Declares = Declaration().Matches(bare).Select(m => m.Groups["name"].Value).ToHashSet();
            Names = Name().Matches(body).Select(m => m.Value).ToHashSet();
            _imports = UsingLine().Matches(bare).Select(m => m.Groups["name"].Value).ToHashSet();
            _body = body;
        }

        private readonly HashSet<string> _imports;
        private readonly string _body;

        public string Path { get; }
        public string Code { get; }
        public IReadOnlySet<string> Declares { get; }
        public IReadOnlySet<string> Names { get; }
        public string Room => SourceTree.RoomOf(Path);

        /// <summary>The files of a partial class are one: <c>Onnx/GraphBuilder</c> for GraphBuilder.Operators.cs.</summary>
        public string Concept => Path[..Path.IndexOf('.')];

        private string Folders => Path[..Path.LastIndexOf('/')].Replace('/', '.');

        public bool Sees(SourceFile other, string name) =>
            Folders == other.Folders || Folders.StartsWith(other.Folders + ".", StringComparison.Ordinal)
            || _imports.Contains($"OnnxAttribution.{other.Folders}") || _imports.Contains($"OnnxAttribution.{other.Folders}.{name}")
            || _body.Contains($"{other.Folders}.{name}", StringComparison.Ordinal);
    }

    // |    Files         what is written aside …
    [GeneratedRegex(@"^ +\| (?<name>[A-Z]\w+) ", RegexOptions.Multiline)]
    private static partial Regex RoomLine();

    // `SegmentJacobian`, not `f = φ(pre)` or `model.onnx`
    [GeneratedRegex(@"`(?<name>[A-Z][a-z]\w+)`")]
    private static partial Regex TypeInText();

    [GeneratedRegex(@"^namespace (?<name>[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    // using A.B;  using C = A.B.C;
    [GeneratedRegex(@"^using (static )?(\w+ = )?(?<name>OnnxAttribution\.[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex UsingLine();

    [GeneratedRegex(
        @"^(public|internal|file) [\w ]*?\b"
        + @"(class|struct|interface|enum|record( struct| class)?|delegate [\w<>?\[\],. ]+?) (?<name>[A-Z]\w*)",
        RegexOptions.Multiline)]
    private static partial Regex Declaration();

    // a type, not a member: nothing qualifies it, or a namespace does
    [GeneratedRegex(@"(?<![.\w])[A-Z]\w*|(?<=\b[A-Z]\w*\.)[A-Z]\w*(?=[.?\s({<>\[])")]
    private static partial Regex Name();
}
