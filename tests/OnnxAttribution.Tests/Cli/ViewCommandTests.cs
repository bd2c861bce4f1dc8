using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.View;

namespace OnnxAttribution.Tests.Cli;

[Collection(TinyRunCollection.Name)]
public sealed class ViewCommandTests(TinyRun tiny) : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void A_graph_ends_in_a_page_and_says_where_it_is()
    {
        var verb = Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--out", _directory["run"]).Done();
        Assert.Contains($"page {Path.Combine(_directory["run"], "graph.html")}", verb.Output);
        var page = File.ReadAllText(Path.Combine(_directory["run"], "graph.html"));
        Assert.StartsWith("<!doctype html>", page);
        Assert.Contains("<title>Copyright (C → &#39;)&#39;</title>", page);
        Assert.DoesNotContain("{{", page);
        Assert.DoesNotContain("note:", verb.Output);   // the embedded model has its dashboards
    }

    [Fact]
    public void The_merged_graph_of_a_batch_and_its_index_are_pages_and_prompts_have_theirs_on_request()
    {
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"id": "a", "prompt": "Copyright (C"}
            {"id": "b", "prompt": "GNU General Public"}
            """);
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["prompts.jsonl"], "--directories",
            "--pages", "--out", _directory["many"]).Done();
        Assert.All((string[])["a", "b", "merged/mean"], id => Assert.True(File.Exists(_directory[$"many/{id}/graph.html"])));
        Assert.True(File.Exists(_directory["many/index.html"]));
        Assert.Contains($"page {_directory["many/index.html"]}", Verb.Run("graph", "--model", Repository.TinyModel, "--prompts",
            _directory["prompts.jsonl"], "--directories", "--out", _directory["many"], "--force").Done().Output);
        Assert.All((string[])["a", "b"], id => Assert.False(File.Exists(_directory[$"many/{id}/graph.html"])));
        Assert.True(File.Exists(_directory["many/merged/mean/graph.html"]));
        File.Delete(_directory["many/index.html"]);
        Assert.Contains("many/index.html", Verb.Run("view", _directory["many"]).Done().Output);
        Assert.Contains("\"rows\":[{\"name\":\"a\"", File.ReadAllText(_directory["many/index.html"]));
        foreach (var option in (string[])["--nodes 5", "--edges 5", "--component 1", "--model models/tiny", "--subgraph x.json"])
        {
            Verb.Run(["view", _directory["many"], .. option.Split(' ')]).Failed(ExitCodes.WrongUsage,
                $"{option.Split(' ')[0]} is about one graph", "of many prompts", "merged/mean");
        }
        Verb.Run("view", _directory["many"], "--live").Failed(ExitCodes.Failed, "is of many prompts");
        Verb.Run("view", _directory["many"], "--out", _directory["elsewhere.html"]).Done();
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["prompts.jsonl"], "--directories",
            "--out", _directory["many"],
            "--no-page", "--force").Done();
        Assert.All((string[])["a", "b", "merged/mean"], id => Assert.False(File.Exists(_directory[$"many/{id}/graph.html"])));
        Assert.Contains("many/merged/mean/graph.html", Verb.Run("view", _directory["many/merged"]).Done().Output);
        Verb.Run("view", _directory["many/merged/mean"], "--figure", "effects").Done();
        Assert.All((string[])["graph.html", "effects.svg"], file => Assert.True(File.Exists(_directory[$"many/merged/mean/{file}"])));
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["prompts.jsonl"], "--directories",
            "--out", _directory["many"],
            "--no-page", "--force").Done();
        Assert.False(File.Exists(_directory["many/merged/mean/effects.svg"]));
        Assert.False(File.Exists(_directory["many/index.html"]));
    }

    [Fact]
    public void A_page_without_a_feature_says_why()
    {
        string Printed(params string[] options) =>
            Verb.Run(["graph", "--prompt", "Copyright (C", "--out", _directory["run"], "--force", .. options]).Done().Output;
        Assert.Contains("note: no node passed the run's thresholds", Printed("--model", Repository.TinyModel, "--node-threshold", "1000"));
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint,
            "--dictionaries", Directory.CreateDirectory(_directory["none"]).FullName, "--out", _directory["bare"]).Done();
        Assert.Contains("note: no selected site has a dictionary", Printed("--model", _directory["bare"]));
    }

    [Fact]
    public void An_exact_graph_ends_in_a_page_too()
    {
        Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--sites", "resid", "--out", _directory["run"])
            .Done();
        Assert.True(File.Exists(_directory["run/graph.html"]));
    }

    [Fact]
    public void A_page_is_drawn_anew_when_its_run_is_validated()
    {
        var run = tiny.Copy(_directory["run"]);
        Verb.Run("view", run, "--force").Done();
        Assert.Contains("\"validation\":null", File.ReadAllText(Path.Combine(run, "graph.html")));
        Verb.Run("validate", run, "--sample", "20").Done();
        var page = File.ReadAllText(Path.Combine(run, "graph.html"));
        Assert.Contains("\"validation\":{", page);
        Assert.Contains("downstream activations", page);
    }

    [Theory, InlineData("html"), InlineData("svg"), InlineData("png"), InlineData("pdf"), InlineData("dot"), InlineData("json"),
        InlineData("graphml")]
    public void Each_format_is_written_into_the_run_anew_or_where_asked_and_there_replaced_only_by_force(string format)
    {
        var run = tiny.Copy(_directory["run"]);
        var file = Path.Combine(run, "graph." + format);
        Assert.Contains(file, Verb.Run("view", run, "--format", format, "--edges", "50").Done().Output);
        Assert.True(new FileInfo(file).Length > 1000);
        File.AppendAllText(file, "old");
        Verb.Run("view", run, "--format", format).Done();
        // without an ending a name is a file's too, but for JSON, where it is a folder's
        var elsewhere = _directory[format == "json" ? "elsewhere.json" : "elsewhere"];
        Verb.Run("view", run, "--format", format, "--out", elsewhere).Done();
        Verb.Run("view", run, "--format", format, "--out", elsewhere).Failed(1, "elsewhere", "exists already", "--force");
        Verb.Run("view", run, "--format", format, "--out", elsewhere, "--force").Done();
        // a page says where its run is from there
        Assert.Equal(File.ReadAllText(file),
            File.ReadAllText(elsewhere).Replace("\"directory\":\"run\"", "\"directory\":\".\"", StringComparison.Ordinal));
        Assert.Empty(Directory.GetFiles(run, ".*"));
    }

    [Theory, InlineData("effects"), InlineData("validation"), InlineData("faithfulness")]
    public void Each_figure_is_written_into_the_run(string figure)
    {
        var run = tiny.Copy(_directory["run"]);
        Verb.Run("validate", run, "--sample", "20").Done();
        Verb.Run("ablate", "--faithfulness", run, "--points", "3", "--controls", "1").Done();
        Verb.Run("view", run, "--figure", figure).Done();
        Assert.StartsWith("<svg",
            File.ReadAllText(Path.Combine(run, figure + ".svg")).Replace("<?xml version=\"1.0\" encoding=\"utf-8\"?>", "").TrimStart());
        Verb.Run("view", run, "--figure", figure).Done();
    }

    [Theory, InlineData("svg", "<svg"), InlineData("png", "PNG"), InlineData("pdf", "%PDF-")]
    public void Boxes_and_figures_are_drawn_in_every_still_format(string format, string begin)
    {
        foreach (var what in (string[])["--boxes", "--figure effects"])
        {
            var file = _directory[$"{what.Split(' ')[^1].TrimStart('-')}.{format}"];
            Verb.Run(["view", tiny.Path, .. what.Split(' '), "--out", file]).Done();
            Assert.Contains(begin, File.ReadAllText(file)[..100]);
        }
        var run = tiny.Copy(_directory["run"]);
        Assert.Contains($"boxes.{format}",
            Verb.Run("view", run, "--boxes", "--format", format, "--contexts", "1", "--nodes", "4", "--theme", "dark").Done().Output);
        Verb.Run("view", run, "--boxes", "--format", format).Done();
        Assert.True(File.Exists(Path.Combine(run, $"boxes.{format}")));
    }

    [Fact]
    public void A_response_curve_is_drawn_from_its_own_file()
    {
        Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--up", "1:133", "--down", "3:226",
            "--coefficients", "0..1:0.5", "--out", _directory["c.parquet"]).Done();
        Verb.Run("view", _directory["c.parquet"]).Failed(1, "c.parquet", "the figure 'curve'", "(--figure)");
        Verb.Run("view", _directory["c.parquet"], "--figure", "curve", "--theme", "dark").Done();
        Assert.True(File.Exists(_directory["curve.svg"]));
        // it may be of another curve
        Verb.Run("view", _directory["c.parquet"], "--figure", "curve").Failed(1, "curve.svg", "exists already");
    }

    [Theory, InlineData("graph.svg", "<svg"), InlineData("graph.HTM", "<!doctype html>"), InlineData("graph.gv", "digraph"),
        InlineData("graph.json", "{"), InlineData("graph.graphml", "<graphml"), InlineData("graph.PNG", "PNG"),
        InlineData("graph.pdf", "%PDF-")]
    public void The_ending_of_a_files_name_says_the_format(string name, string begin)
    {
        Verb.Run("view", tiny.Path, "--edges", "20", "--out", _directory[name]).Done();
        Assert.Contains(begin, File.ReadAllText(_directory[name])[..200], StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("x.gif", "", "x.gif would be a .gif file", ".html, .svg, .png, .pdf, .dot, .json or .graphml")]
    [InlineData("x.gif", "--format svg", "x.gif would be a .gif file", ".svg")]
    [InlineData("x.jpg", "--figure effects", "x.jpg would be a .jpg file", ".svg")]
    [InlineData("x.jpeg", "--boxes", "x.jpeg would be a .jpeg file", ".svg")]
    [InlineData("x.html", "--format svg", "named as html and would hold svg", "--format html")]
    [InlineData("x.svg", "--format png", "named as svg and would hold png", "--format svg")]
    [InlineData("x.json", "--figure effects", "--figure is drawn as svg, png, pdf, not as json")]
    [InlineData("x.html", "--boxes", "--boxes is drawn as svg, png, pdf, not as html")]
    [InlineData("x.svg", "--contexts 2", "--contexts goes with --boxes")]
    [InlineData("x.svg", "--boxes --figure effects", "--boxes", "--figure")]
    [InlineData("x.svg", "--boxes --contexts -1", "--contexts")]
    [InlineData("x.svg", "--boxes --nodes 0", "--nodes")]
    [InlineData("x.graphml", "--theme dark", "--theme goes with")]
    public void A_file_is_named_as_what_it_holds(string name, string options, params string[] words) =>
        Verb.Run(["view", tiny.Path, "--out", _directory[name], .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)])
            .Failed(2, words);

    [Theory, InlineData("graph"), InlineData("ablate")]
    public void A_run_is_not_named_as_a_file(string verb)
    {
        Verb.Run(verb, "--model", Repository.TinyModel, "--prompt", "a", "--out", _directory["x.png"])
            .Failed(2, "named as a file", $"--out {_directory["x"]}", "view");
        Assert.False(Path.Exists(_directory["x.png"]));
    }

    [Theory]
    [InlineData("validation", "onnx-attribution validate RUN")]
    [InlineData("faithfulness", "ablate --faithfulness RUN")]
    [InlineData("curve", "--up FEATURE --down FEATURE")]
    public void A_figure_of_what_the_run_lacks_names_the_verb_that_makes_it(string figure, string verb)
    {
        var run = tiny.Copy(_directory["run"]);
        Verb.Run("view", run, "--figure", figure).Failed(1, figure + ".parquet does not exist", verb);
        Assert.False(File.Exists(Path.Combine(run, figure + ".svg")));
    }

    [Fact]
    public void A_picture_never_takes_the_place_of_a_part_of_the_run()
    {
        var run = tiny.Copy(_directory["run"]);
        Verb.Run("view", run, "--format", "json", "--out", Path.Combine(run, "run.json"), "--force")
            .Failed(1, "run.json", "part of its run");
        Verb.Run("view", run, "--out", _directory["run"]).Failed(1, "is a directory");
    }

    [Fact]
    public void Pictures_do_not_keep_force_from_replacing_the_run_and_go_with_it()
    {
        var run = tiny.Copy(_directory["run"]);
        foreach (var format in (string[])["html", "svg", "png", "pdf", "dot", "json", "graphml"])
        {
            Verb.Run("view", run, "--format", format, "--force").Done();
        }
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--out", run, "--force", "--no-page").Done();
        Assert.Empty(Directory.GetFiles(run, "graph.*"));
    }

    [Fact]
    public void Damaged_and_missing_runs_are_named()
    {
        var run = tiny.Copy(_directory["run"]);
        Verb.Run("view", _directory["nowhere"]).Failed(1, "nowhere", "finished run");
        File.WriteAllBytes(Path.Combine(run, "edges.parquet"), File.ReadAllBytes(Path.Combine(run, "edges.parquet"))[..200]);
        Verb.Run("view", run).Failed(1, "edges.parquet is damaged");
        Assert.False(File.Exists(Path.Combine(run, "graph.html")));
    }

    [Fact]
    public void A_run_whose_model_is_gone_is_shown_without_contexts_and_says_so()
    {
        var run = tiny.Copy(_directory["run"]);
        var facts = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "run.json")))!;
        facts["model_path"] = _directory["gone"];
        File.WriteAllText(Path.Combine(run, "run.json"), facts.ToJsonString());
        Assert.Contains("note: the model is not at", Verb.Run("view", run).Done().Output);
        Verb.Run("view", run, "--model", _directory["gone"], "--force").Failed(1, "there is no model bundle at");
        Assert.DoesNotContain("note:", Verb.Run("view", run, "--model", Repository.TinyModel, "--force").Done().Output);
    }

    [Fact]
    public void The_peak_memory_of_a_run_counts_its_page()
    {
        var run = tiny.Copy(_directory["run"]);
        var before = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "run.json")))!.AsObject();
        var page = PageOfRun.Write(run, wanted: true, new Progress<string>(), CancellationToken.None);
        var after = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "run.json")))!.AsObject();
        Assert.True(page.PeakMemory > 1 << 20);
        Assert.Equal(page.PeakMemory, (long)after["peak_memory_bytes"]!);
        before["peak_memory_bytes"] = after["peak_memory_bytes"]!.DeepClone();
        Assert.Equal(before.ToJsonString(), after.ToJsonString());      // and nothing else of it changed
    }

    [Fact]
    public void A_page_that_cannot_be_written_costs_neither_the_run_nor_what_was_added_to_it()
    {
        var run = tiny.Copy(_directory["run"]);
        using var refusing = FileSteps.Refusing(Path.Combine(run, "graph.html"));
        var failed = Assert.Throws<RunDirectoryException>(() =>
            PageOfRun.Write(run, wanted: true, new Progress<string>(), CancellationToken.None));
        Assert.EndsWith($"The run in {run} is whole; draw its page then ('onnx-attribution view {run}').", FailureLine.Of(failed, "graph"));
        File.WriteAllText(Path.Combine(run, "graph.html"), "an old one");
        Verb.RunHere(CancellationToken.None, "validate", run, "--sample", "2").Failed(1, "graph.html cannot be written",
            $"What was added to {run} stays; draw its page then ('onnx-attribution view {run} --force').");
        Verb.Run("query", run, "SELECT count(*) FROM validation").Done();
        refusing.Dispose();
        Verb.Run("view", run, "--force").Done();
    }

    [Fact]
    public void A_run_made_with_a_relative_path_finds_its_model_from_anywhere()
    {
        var project = Directory.CreateDirectory(_directory["project"]).FullName;
        Directory.CreateSymbolicLink(Path.Combine(project, "bundle"), Repository.TinyModel);
        var run = tiny.Copy(Path.Combine(project, "runs", "one"));
        var facts = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "run.json")))!;
        facts["model_path"] = "bundle";      // as it was given in project, where this process is not
        File.WriteAllText(Path.Combine(run, "run.json"), facts.ToJsonString());
        Assert.DoesNotContain("note:", Verb.Run("view", run).Done().Output);
        Verb.Run("query", run, "SELECT count(*) FROM features").Done();
        Verb.Run("validate", run, "--sample", "2").Done();
        Verb.Run("ablate", "--faithfulness", run, "--controls", "1", "--points", "3").Done();
    }

    public void Dispose() => _directory.Dispose();
}
