using System.Diagnostics;
using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Documents;

/// <summary>The notebook of <c>examples/</c> and the Python package that it stands on, with the packages of Debian or Ubuntu
/// (<c>make test-tools</c> installs them); PYTHON names another Python that has them.</summary>
public sealed class NotebookTests : IDisposable
{
    private const string Execute = """
        import sys, nbformat, nbclient
        book = nbformat.read(sys.argv[1], 4)
        nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute()
        nbformat.write(book, sys.argv[2])
        """;

    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void The_notebook_runs_from_its_first_cell_to_its_last()
    {
        Link("models", Path.GetDirectoryName(Repository.TinyModel)!);
        Link("python", Path.Combine(Repository.Root, "python"));
        var notebook = Path.Combine(Repository.Root, "examples", "notebook.ipynb");
        Python("-c", Execute, notebook, _directory["done.ipynb"]);
        var cells = JsonNode.Parse(File.ReadAllText(_directory["done.ipynb"]))!["cells"]!.AsArray()
            .Where(c => (string?)c!["cell_type"] == "code").ToList();
        Assert.All(cells, c => Assert.NotNull((int?)c!["execution_count"]));
        string[] Kinds(JsonNode cell) =>
            [.. cell["outputs"]!.AsArray().Where(o => o!["data"] is not null).SelectMany(o => o!["data"]!.AsObject().Select(d => d.Key))];
        Assert.Equal(3, cells.Count(c => Kinds(c!).Contains("image/png")));
        Assert.True(cells.Count(c => Kinds(c!).Contains("text/html")) >= 10);
        // the page, as a run shows itself
        var page = cells[1]!["outputs"]!.AsArray().Select(o => o!["data"]?["text/html"]).Single(t => t is not null)!;
        Assert.StartsWith("<iframe sandbox=\"allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox\"",
            page is JsonArray lines ? (string)lines[0]! : (string)page!);
        Assert.True(File.Exists(_directory["runs/notebook/boxes.pdf"]));
        // nothing of an execution is committed
        Assert.All(JsonNode.Parse(File.ReadAllText(notebook))!["cells"]!.AsArray().Where(c => (string?)c!["cell_type"] == "code"),
            c => Assert.Empty(c!["outputs"]!.AsArray()));
    }

    [Fact]
    public void The_package_needs_nothing_but_the_standard_library_and_shows_each_step()
    {
        // -S: nothing that is installed is found
        var done = Python("-S", "-c", $"""
            import onnx_attribution as oa
            steps = []
            run = oa.graph({Literal(Repository.TinyModel)}, "Copyright (C", "run", target=")", progress=steps.append, no_page=True)
            assert isinstance(run.nodes, list) and run.nodes[0]["site"].startswith("blocks."), run.nodes[0]
            assert any(s.endswith("…") for s in steps), steps
            assert run.record["target"] == ")"
            assert run.query("SELECT count(*) AS n FROM nodes")[0]["n"] == len(run.nodes)
            assert oa.compare(run, run).summary["nodes"]["only_a"] == 0
            assert len(oa.compare(run, run).nodes) == sum(n["kept"] for n in run.nodes)
            assert run.view("x.png").read_bytes()[1:4] == b"PNG"
            assert run._repr_html_().startswith('<iframe sandbox="' + oa.SANDBOX + '" style=')
            print(repr(run), len(run.edges))
            """);
        Assert.StartsWith("Run('run') ", done.Output);
    }

    [Fact]
    public void What_the_command_refuses_is_an_exception_with_its_one_line()
    {
        var done = Python("-S", "-c", $$"""
            import onnx_attribution as oa
            def refused(call):
                try:
                    call()
                except (oa.AttributionError, FileNotFoundError) as e:
                    print(type(e).__name__, getattr(e, "code", ""), e)
            refused(lambda: oa.graph("nowhere", "a", "run", progress=None))
            refused(lambda: oa.graph({{Literal(Repository.TinyModel)}}, "a", "run", estimator="best"))
            refused(lambda: oa.Run("nowhere"))
            import os
            os.environ["ONNX_ATTRIBUTION"] = "no-such-program"
            refused(lambda: oa.call("graph"))
            del os.environ["ONNX_ATTRIBUTION"]
            os.environ["PATH"] = ""
            refused(lambda: oa.call("graph"))
            """);
        var lines = done.Output.TrimEnd().Split('\n');
        Assert.Equal(5, lines.Length);
        Assert.StartsWith("AttributionError 1 there is no model bundle at nowhere", lines[0]);
        Assert.Matches("^AttributionError 2 .*--estimator", lines[1]);
        Assert.StartsWith("FileNotFoundError  nowhere has no run.json", lines[2]);
        Assert.StartsWith("AttributionError 127 no-such-program cannot be started", lines[3]);
        Assert.Contains("set ONNX_ATTRIBUTION", lines[4]);
    }

    [Fact]
    public void The_commands_own_line_is_the_message_whatever_else_was_written()
    {
        var done = Python("-S", "-c", """
            import os
            import onnx_attribution as oa
            for words in ("echo first >&2; echo onnx-attribution: the reason >&2; echo later >&2; exit 3",
                          "echo a crash >&2; exit 4", "exit 5"):
                os.environ["ONNX_ATTRIBUTION"] = f"sh -c '{words}' sh"
                for progress in (None, lambda step: None):
                    try:
                        oa.call("graph", progress=progress)
                    except oa.AttributionError as e:
                        print(e.code, e)
            """);
        Assert.Equal(["3 the reason", "3 the reason", "4 a crash", "4 a crash", "5 exit code 5", "5 exit code 5"],
            done.Output.TrimEnd().Split('\n'));
    }

    [Fact]
    public void A_batch_has_the_runs_that_are_there_and_warns_of_those_that_are_not()
    {
        var done = Python("-S", "-c", $$"""
            import shutil, warnings
            import onnx_attribution as oa
            prompts = [{"prompt": "Copyright (C", "id": "a"}, {"prompt": "GNU General Public", "id": "b"}]
            batch = oa.batch({{Literal(Repository.TinyModel)}}, prompts, "batch", progress=None, no_page=True)
            assert list(batch.runs) == ["a", "b"]
            shutil.rmtree("batch/a")
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                print(list(batch.runs), len(said), said[0].message)
            warnings.simplefilter("ignore")
            print({row["run"] for row in batch.query("SELECT DISTINCT run FROM nodes")})
            shutil.rmtree("batch/b")
            try:
                batch.query("SELECT 1")
            except FileNotFoundError as e:
                print(e)
            """);
        var lines = done.Output.TrimEnd().Split('\n');
        Assert.StartsWith("['b'] 1 a is left out: batch/a has no run.json", lines[0]);
        Assert.Equal("{'b'}", lines[1]);
        Assert.StartsWith("batch has none of its runs any more; query its merged graph, batch/merged/mean", lines[2]);
    }

    public void Dispose() => _directory.Dispose();

    private void Link(string name, string to) => Directory.CreateSymbolicLink(_directory[name], to);

    private static string Literal(string text) => JsonValue.Create(text)!.ToJsonString();

    private Verb Python(params string[] words)
    {
        var python = Environment.GetEnvironmentVariable("PYTHON") is { Length: > 0 } named ? named : "/usr/bin/python3";
        var start = new ProcessStartInfo(python, words) { WorkingDirectory = _directory.Path };
        start.Environment["PYTHONPATH"] = Path.Combine(Repository.Root, "python");
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["ONNX_ATTRIBUTION"] = string.Join(' ', TestedProgram.Command.Select(w => $"'{w}'"));
        // what Jupyter and matplotlib leave behind
        foreach (var name in (string[])["IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"]) start.Environment[name] = _directory[name];
        var done = Verb.Start(start);
        Assert.True(done.Code == 0, $"exit code {done.Code}: {done.Error}");
        return done;
    }
}
