namespace OnnxAttribution.Tests.Cli;

/// <summary>Templates behind <c>--prompts</c>.</summary>
public sealed class TemplateCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private const string Pairs = """
        prompt: "He{a}{b}"
        patch_prompt: "Je{a}{b}"
        target: "{b}"
        slots: {a: [l, m], b: [o, p]}
        """;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void What_was_run_lies_beside_the_dataset_and_is_run_again_to_the_same_bytes()
    {
        Graph(Pairs, "--part-size", "3", "--out", _directory["set"]).Done();
        var lines = File.ReadAllLines(_directory["set/prompts.jsonl"]);
        Assert.Equal("""{"id":"t-l-o","label":"t","prompt":"Helo","patch_prompt":"Jelo","target":"o"}""", lines[0]);
        Assert.Equal(4, lines.Length);
        var told = Verb.Run("query", _directory["set"], "SELECT run, label, prompt, patch_prompt, target FROM prompts ORDER BY line",
            "--format", "csv").Done().Output;
        Assert.Contains("t-m-p,t,Hemp,Jemp,p", told);

        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["set/prompts.jsonl"], "--part-size", "3", "--out",
            _directory["again"]).Done();
        foreach (var file in Directory.EnumerateFiles(_directory["again"], "part-*.parquet", SearchOption.AllDirectories))
        {
            var same = Path.Combine(_directory["set"], Path.GetRelativePath(_directory["again"], file));
            Assert.Equal(File.ReadAllBytes(same), File.ReadAllBytes(file));
        }
        Graph(Pairs, "--part-size", "3", "--resume", "--out", _directory["set"]).Done();
        Graph(Pairs.Replace("[l, m]", "[l, n]"), "--part-size", "3", "--resume", "--out", _directory["set"])
            .Failed(1, "prompts_sha256");
        Assert.Equal(lines, File.ReadAllLines(_directory["set/prompts.jsonl"]));
    }

    [Fact]
    public void A_dry_run_prints_the_prompts_and_what_is_wrong_with_lines()
    {
        var verb = Graph(Pairs, "--dry-run");
        Assert.Equal((0, 4), (verb.Code, verb.Output.Trim().Split('\n').Length));
        Assert.Contains("4 prompts, none of them run", verb.Error);
        File.WriteAllText(_directory["p.jsonl"], "{\"prompt\": \"Hello\", \"id\": 7}\n{\"prompt\": \"Hello\", \"target\": \"ab\"}\nno\n");
        verb = Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--dry-run");
        Assert.Equal((1, """{"id":"7","prompt":"Hello"}"""), (verb.Code, verb.Output.Trim()));
        Assert.Contains("p.jsonl, line 2: the target 'ab' is 2 tokens", verb.Error);
        Assert.Contains("p.jsonl, line 3: it is no JSON object", verb.Error);
        Assert.Contains("1 prompt, none of them run; 2 lines failed", verb.Error);
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--dry-run").Failed(2, "--dry-run goes with --prompts");
        Graph(Pairs).Failed(2, "'--out' is required");
    }

    [Fact]
    public void Fillers_that_do_not_fit_are_refused_before_anything_is_written()
    {
        foreach (var (text, told) in ((string, string)[])
            [(Pairs.Replace("[o, p]", "[o, pq]"), "template 't': target 'pq', where b is 'pq', is 2 tokens ('p' 'q')"),
                (Pairs.Replace("Je", "Jel"), "by the text around their slots"), (Pairs.Replace("slots", "slot"), "did you mean 'slots'?")])
        {
            Graph(text, "--directories", "--out", _directory["runs"]).Failed(1, told, "t.yaml", "--prompts");
            Graph(text, "--out", _directory["set"]).Failed(1, told);
            Graph(text, "--dry-run").Failed(1, told);
            Verb.Run("ablate", "--circuit", "0:1", "--model", model.Bundle, "--prompts", _directory["t.yaml"]).Failed(1, told);
            Assert.False(Path.Exists(_directory["runs"]) || Path.Exists(_directory["set"]));
        }
        Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["no.yaml"], "--dry-run")
            .Failed(1, "there is no file", "no.yaml");
    }

    [Fact]
    public void Every_verb_that_takes_prompts_takes_a_template()
    {
        var runs = Graph(Pairs, "--directories", "--no-page", "--out", _directory["runs"]).Done();
        Assert.Contains("t-m-o", runs.Output);
        Assert.Equal(4, File.ReadAllLines(_directory["runs/prompts.jsonl"]).Length);
        Verb.Run("ablate", "--faithfulness", _directory["runs/t-l-o"], "--prompts", _directory["t.yaml"], "--points", "2").Done();
        Verb.Run("ablate", "--circuit", _directory["runs/t-l-o"], "--prompts", _directory["t.yaml"]).Done();
    }

    [Theory, InlineData("merged"), InlineData("Merged")]
    public void A_template_that_is_called_as_the_mean_is_leaves_the_mean_its_name(string name)
    {
        Graph($"name: {name}\nprompt: Hello\n", "--directories", "--no-page", "--out", _directory["runs"]).Done();
        Assert.True(File.Exists(_directory[$"runs/{name}-2/run.json"]));
        Assert.True(File.Exists(_directory["runs/merged/mean/run.json"]));
        Assert.Contains($"\"id\":\"{name}-2\"", File.ReadAllText(_directory["runs/prompts.jsonl"]));
    }

    [Fact]
    public void Prompts_that_somebody_wrote_are_not_replaced_by_a_templates_unless_that_is_asked()
    {
        const string Mine = "{\"prompt\": \"mine\"}\n";
        Directory.CreateDirectory(_directory["runs"]);
        File.WriteAllText(_directory["runs/prompts.jsonl"], Mine);
        Graph(Pairs, "--directories", "--no-page", "--out", _directory["runs"]).Failed(1, "prompts.jsonl holds other prompts", "--out");
        Graph(Pairs, "--out", _directory["runs"]).Failed(1, "something else than a dataset");
        Assert.Single(Directory.EnumerateFileSystemEntries(_directory["runs"]));
        Assert.Equal(Mine, File.ReadAllText(_directory["runs/prompts.jsonl"]));
        Graph(Pairs, "--directories", "--no-page", "--force", "--out", _directory["runs"]).Done();
        Assert.Equal(4, File.ReadAllLines(_directory["runs/prompts.jsonl"]).Length);

        Graph(Pairs, "--no-page", "--out", _directory["set"]).Done();
        File.WriteAllText(_directory["set/prompts.jsonl"], Mine);
        Graph(Pairs, "--no-page", "--resume", "--out", _directory["set"]).Failed(1, "prompts.jsonl holds other prompts", "--out");
        Assert.Equal(Mine, File.ReadAllText(_directory["set/prompts.jsonl"]));
    }

    private Verb Graph(string text, params string[] options)
    {
        File.WriteAllText(_directory["t.yaml"], text);
        return Verb.Run(["graph", "--model", model.Bundle, "--prompts", _directory["t.yaml"], .. options]);
    }
}
