using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Texts;
using Encoding = System.Text.Encoding;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Many prompts, a run each: <c>graph --prompts --directories</c>.</summary>
public sealed class PromptBatchTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["runs"];

    public void Dispose() => _directory.Dispose();

    private static readonly string[] s_prompts =
        ["""{"prompt": "Hello", "target": "x", "id": "one"}""", """{"prompt": "a longer prompt"}""",
            """{"prompt": "Hello", "patch_prompt": "Jelly", "id": 7}"""];

    [Theory, InlineData(""), InlineData("--aggregate sum"), InlineData("--method ig --steps 2"),
        InlineData("--metric kl --method ig --steps 2 --sites resid"), InlineData("--method exact --sites mlp"),
        InlineData("--edges exact --sites resid,mlp")]
    public void With_everything_kept_the_merged_graph_is_the_mean_of_the_runs_summed_over_positions(string options)
    {
        var verb = Batch($"--all {options}", s_prompts).Done();
        Assert.Contains("merged: the mean over 3 prompts", verb.Output);
        Assert.Equal(["2", "7", "merged", "one"], Directory.GetDirectories(Out).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        StoredRun[] runs = [.. ((string[])["one", "2", "7"]).Select(id => RunDirectory.Read(Path.Combine(Out, id)))];
        var merged = RunDirectory.Read(Path.Combine(Out, "merged"));

        var nodes = Mean(runs, r => r.Nodes.Select(n => ($"{n.Site}|{n.Feature}", n.Effect)));
        Same(nodes, merged.Nodes.ToDictionary(n => $"{n.Site}|{n.Feature}", n => (double)n.Effect));
        var patched = Mean(runs, r => r.Nodes.Select(n => ($"{n.Site}|{n.Feature}", n.PatchActivation)));
        Same(patched, merged.Nodes.ToDictionary(n => $"{n.Site}|{n.Feature}", n => (double)n.PatchActivation));
        Same(Mean(runs, Edges), Edges(merged).ToDictionary(e => e.Key, e => (double)e.Effect));
        Assert.Equal(options.Contains("--edges exact"), merged.SwitchedOn.Count > 0);
        if (merged.SwitchedOn.Count > 0)
        {
            Same(Mean(runs, SwitchedOn), SwitchedOn(merged).ToDictionary(e => e.Key, e => (double)e.Effect));
        }
        Assert.All(merged.Nodes, n => Assert.Equal((-1, ""), (n.Position, n.Token)));
        Assert.Equal(3, (int)merged.Facts["prompts"]!);
        Assert.Equal(["one", "2", "7"], merged.Facts["ids"]!.AsArray().Select(i => (string)i!));
        Assert.Equal(runs.Average(r => (double)r.Facts["clean_metric"]!), (double)merged.Facts["clean_metric"]!, 1e-5);
        Assert.InRange((int)merged.Facts["runtime_calls"]!, runs.Sum(r => (int)r.Facts["runtime_calls"]!) + 1,
            (2 * runs.Sum(r => (int)r.Facts["runtime_calls"]!)) + 1);   // each prompt is run again
    }

    // a prompt is run again for its edges, and its nodes' effects are known by then
    [Theory, InlineData("", "--refine off"), InlineData("--aggregate sum", "--aggregate sum --refine off"),
        InlineData("--method exact", "--refine off"), InlineData("--method atpstar", "--refine off")]
    public void Merging_moves_no_node_again(string options, string linear)
    {
        int[] Merging(string asked)
        {
            Batch($"--all --no-page --force {asked}", s_prompts).Done();
            var runs = ((string[])["one", "2", "7"]).Select(id => RunDirectory.Read(Path.Combine(Out, id)).Facts).ToList();
            var merged = RunDirectory.Read(Path.Combine(Out, "merged")).Facts;
            return [.. ((string[])["runtime_calls", "operations"]).Select(k => (int)merged[k]! - runs.Sum(r => (int)r[k]!))];
        }
        Assert.Equal(Merging(linear), Merging(options));
    }

    [Theory, InlineData("", "--top-nodes 6", 6), InlineData("", "--top-nodes 2 --top-edges 50", 2),
        InlineData("", "--node-threshold 0.05 --no-prune", int.MaxValue),
        InlineData("--aggregate sum", "--top-nodes 3 --edge-threshold 0.01", 3),
        InlineData("--method exact --sites mlp", "--top-nodes 4", 4), InlineData("--method ig --steps 2", "--top-nodes 4", 4)]
    public void The_merged_graph_is_chosen_by_its_means_and_its_edges_are_whole(string options, string selection, int topNodes)
    {
        Batch($"--all --no-page {options}", s_prompts).Done();
        var all = RunDirectory.Read(Path.Combine(Out, "merged"));
        Batch($"--force --no-page {options} {selection}", s_prompts).Done();
        var some = RunDirectory.Read(Path.Combine(Out, "merged"));
        Assert.Equal(all.Nodes.Select(n => (n.Site, n.Feature)), some.Nodes.Select(n => (n.Site, n.Feature)));
        GraphComparison.Numbers(all.Nodes.Select(n => n.Effect), some.Nodes.Select(n => n.Effect), 1e-6, "effects");
        var (whole, found) = (Edges(all).ToDictionary(e => e.Key, e => e.Effect), Edges(some).ToDictionary(e => e.Key, e => e.Effect));
        Assert.NotEmpty(found);
        var largest = whole.Values.Max(Math.Abs);
        Assert.All(found, e => Assert.Equal(whole[e.Key], e.Value, 1e-6 * largest));
        foreach (var site in some.Nodes.Where(n => n.Feature >= 0).GroupBy(n => n.Site))
        {
            Assert.Subset(site.OrderByDescending(n => Math.Abs(n.Effect)).Take(topNodes).Select(n => n.Feature).ToHashSet(),
                site.Where(n => n.Kept).Select(n => n.Feature).ToHashSet());
        }
    }

    [Fact]
    public void A_bad_line_is_reported_with_its_number_and_stops_no_other()
    {
        var verb = Batch("--json",
            """{"prompt": "Hello", "id": "good"}""",
            "not json",
            "",
            """{"prompt": "Hello", "target": "two"}""",
            """{"prompt": ""}""",
            """{"prompt": "Hello", "id": "good"}""",
            """{"prompt": "Hello", "id": "../up"}""",
            """{"prompt": "Hello", "id": "Merged"}""",
            """{"promt": "Hello"}""",
            """{"prompt": 5}""",
            """{"prompt": "Hello", "patch_prompt": "Hi"}""",
            """{"prompt": "a prompt that is longer than the context"}""",
            "[1]",
            """{"prompt": "World"}""");
        Assert.Equal(1, verb.Code);
        var json = JsonNode.Parse(verb.Output)!;
        Assert.Equal(["good", "14"], json["runs"]!.AsArray().Select(r => (string)r!["id"]!));
        int[] bad = [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
        Assert.Equal(bad, json["errors"]!.AsArray().Select(e => (int)e!["line"]!));
        Assert.All(bad, line => Assert.Contains($"prompts.jsonl, line {line}: ", verb.Error));
        Assert.Contains("'t' 'w' 'o'", verb.Error);
        Assert.Equal(2, (int)json["merged"]!["prompts"]!);
        Assert.Equal(["14", "good", "merged"], Directory.GetDirectories(Out).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void No_run_batch_or_bundle_is_written_into_a_run()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--no-page", "--out", Out).Done();
        var before = Directory.GetFileSystemEntries(Out).Order().ToArray();
        File.WriteAllLines(_directory["prompts.jsonl"], s_prompts);
        string[] prompts = ["--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--out", Out];
        foreach (var verb in (string[][])[["graph", .. prompts, "--directories"], ["ablate", .. prompts],
            ["graph", .. prompts, "--directories", "--force"],
            ["graph", "--model", model.Bundle, "--prompt", "x", "--out", Path.Combine(Out, "sub")]])
        {
            Verb.Run(verb).Failed(1, $"would lie in {Out}, which is a run itself", "(--out)");
        }
        foreach (var force in (string[][])[[], ["--force"]])
        {
            Verb.Run(["export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Out, .. force])
                .Failed(1, $"{Out} holds a run", "(--out)");
        }
        Assert.Equal(before, Directory.GetFileSystemEntries(Out).Order());
        Assert.Equal(("run.json", "nodes.parquet"), (RunNames.RecordFile, RunNames.NodesFile));   // as export knows them
    }

    [Fact]
    public void Runs_in_the_way_are_refused_before_any_work()
    {
        Batch("", """{"prompt": "Hello", "id": "b"}""").Done();
        Batch("", """{"prompt": "Hello", "id": "a"}""", """{"prompt": "Hello", "id": "b"}""").Failed(1, Path.Combine(Out, "b"), "--force");
        Assert.False(Directory.Exists(Path.Combine(Out, "a")));
        Batch("--force", """{"prompt": "Hello", "id": "a"}""", """{"prompt": "Hello", "id": "b"}""").Done();
    }

    [Fact]
    public void The_merged_graph_lies_one_level_below_the_runs_and_replaces_one_that_lay_beside_them()
    {
        Batch("--no-page", s_prompts).Done();
        var merged = Path.Combine(Out, "merged");
        Assert.Equal([Path.Combine(merged, "mean")], Directory.GetFileSystemEntries(merged));
        Directory.Move(Path.Combine(merged, "mean"), _directory["old"]);
        Directory.Delete(merged);
        Directory.Move(_directory["old"], merged);
        Batch("", s_prompts).Failed(1, Path.Combine(Out, "one"), "--force");
        var verb = Batch("--no-page --force --json", s_prompts).Done();
        Assert.Equal([Path.Combine(merged, "mean")], Directory.GetFileSystemEntries(merged));
        var files = JsonNode.Parse(verb.Output)!["merged"]!["files"]!.AsArray().Select(f => Path.GetDirectoryName((string)f!["path"]!));
        Assert.Equal([Path.Combine(merged, "mean")], files.Distinct());
    }

    [Fact]
    public void A_batch_cancelled_at_its_merging_keeps_its_runs_and_says_which_merged_graph_is_there()
    {
        void Cancelled(string at, string words)
        {
            using var cancel = new CancellationTokenSource();
            using var steps = new FileSteps(Out, path =>
            {
                if (path.StartsWith(Path.Combine(Out, at), StringComparison.Ordinal)) cancel.Cancel();
            });
            Verb.RunHere(cancel.Token, "graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--out", Out,
                "--directories", "--pages", "--force")
                .Failed(130, words);
            Assert.DoesNotContain(Directory.GetFileSystemEntries(Out), entry => Path.GetFileName(entry).StartsWith('.'));
        }
        File.WriteAllLines(_directory["prompts.jsonl"], s_prompts);
        // the last prompt's page is drawn then
        Cancelled(Path.Combine("7", "run.json"), "3 finished runs stay in " + Out + ", there is no merged graph");
        Assert.Equal(["2", "7", "one"], Directory.GetDirectories(Out).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Cancelled("merged", $"the merged graph in {Path.Combine(Out, "merged", "mean")}");
        Assert.NotEmpty(RunDirectory.Read(Path.Combine(Out, "merged")).Nodes);
        Cancelled(Path.Combine("7", "run.json"), $"the merged graph in {Path.Combine(Out, "merged", "mean")} is the one from before");
        Assert.NotEmpty(RunDirectory.Read(Path.Combine(Out, "merged")).Nodes);
    }

    [Fact]
    public void A_file_without_prompts_is_refused()
    {
        Batch("", " ").Failed(1, "prompts.jsonl", "no prompt");
        string[] graph = ["graph", "--model", model.Bundle, "--out", Out, "--directories", "--prompts"];
        Verb.Run([.. graph, _directory["none.jsonl"]]).Failed(1, "none.jsonl");
        Verb.Run([.. graph, _directory.Path]).Failed(1, _directory.Path);
        Assert.False(Directory.Exists(Out));
    }

    [Fact]
    public void Half_a_character_a_noncharacter_or_a_control_in_a_line_does_not_end_the_batch()
    {
        var verb = Batch("",
            """{"prompt": "ab"}""",
            """{"prompt": "\ud83d lone"}""",
            """{"prompt": "a\uffffb\ufffe\u0000\u001b[2J\u202e"}""",
            """{"\udc00": 1}""",
            """{"prompt": "c", "foil": NaN}""",
            """{"prompt": "overwritten", "prompt": "cd"}""",
            "{\"prompt\": \"a\u0001b\"}");
        Assert.Equal(1, verb.Code);
        Assert.Equal(["1", "3", "6", "merged"], Directory.GetDirectories(Out).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("prompts.jsonl, line 2: its \"prompt\" has half of a character", verb.Error);
        Assert.Contains("prompts.jsonl, line 4: a key has half of a character", verb.Error);
        Assert.Contains("prompts.jsonl, line 5: it has NaN or Infinity, as Python writes them", verb.Error);
        Assert.Contains("prompts.jsonl, line 7: it is no JSON object", verb.Error);
        Assert.Equal("cd", (string)RunDirectory.Read(Path.Combine(Out, "6")).Facts["prompt"]!);
        Assert.Equal(4, verb.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public void A_file_in_another_encoding_is_refused_with_its_line_before_any_work()
    {
        void Refused(byte[] bytes, string reason)
        {
            File.WriteAllBytes(_directory["p.jsonl"], bytes);
            Verb.Run("graph", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--out", Out).Failed(1, "p.jsonl", reason);
            Verb.Run("ablate", "--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--out", Out).Failed(1, "p.jsonl", reason);
            Assert.False(Directory.Exists(Out));
        }
        Refused([.. "{\"prompt\": \"ab\"}\n{\"prompt\": \"Caf"u8, 0xE9, .. " (C\"}\n"u8],
            "line 2 is no text in UTF-8 (byte 0xE9 at 16); convert it");
        Refused(Encoding.Unicode.GetBytes("{\"prompt\": \"ab\"}\n"), "line 1 has NUL bytes, so it is UTF-16 without its mark");
        Refused([0xFF, 0xFE, 0x00, 0xD8, 0x61, 0x00], "begins as UTF-16 does and is none");
        Refused([.. "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n"u8],
            "is a Git LFS pointer, not the file of 99 bytes");
    }

    [Fact]
    public void Marks_and_line_ends_of_Windows_are_read()
    {
        void Reads(byte[] bytes)
        {
            File.WriteAllBytes(_directory["p.jsonl"], bytes);
            Assert.Equal([(1, "Caf\u00e9"), (3, "b")], PromptFile.Read(_directory["p.jsonl"]).Select(l => (l.Line, l.Task!.Prompt)));
        }
        const string Text = "{\"prompt\": \"Caf\u00e9\"}\r\n\r\n{\"prompt\": \"b\"}";
        Reads([0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Text)]);
        Reads([0xFF, 0xFE, .. Encoding.Unicode.GetBytes(Text)]);
        Reads([0xFE, 0xFF, .. Encoding.BigEndianUnicode.GetBytes(Text)]);
        Reads(Encoding.UTF8.GetBytes(Text.Replace("\r\n", "\r")));
    }

    [Fact]
    public void A_line_that_fails_names_the_verb_s_options_and_not_what_the_line_says_itself()
    {
        var (ab, pair) = ("""{"prompt": "ab"}""", """{"prompt": "ab", "patch_prompt": "abc"}""");
        Assert.Contains("prompts.jsonl, line 1: no node of a model of 2 blocks can be run 9 deep; give a depth from 0 to 2 (--exact-depth)",
            Batch("--exact-depth 9", ab).Error);
        Assert.Contains("layers are 0 to 1 (--heads)", Batch("--heads 9.9", ab).Error);
        Assert.Contains("(--position)", Batch("--position 7", ab).Error);
        Assert.DoesNotContain("(--", Batch("", pair).Error);
    }

    [Fact]
    public void With_no_good_line_nothing_is_written()
    {
        Assert.Equal(1, Batch("", """{"prompt": ""}""").Code);
        Assert.False(Directory.Exists(Out));
    }

    private Verb Batch(string options, params string[] lines)
    {
        File.WriteAllLines(_directory["prompts.jsonl"], lines);
        return Verb.Run(["graph", "--model", model.Bundle, "--prompts", _directory["prompts.jsonl"], "--directories", "--out", Out,
            .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
    }

    private static IEnumerable<(string Key, float Effect)> Edges(StoredRun run)
    {
        string End(int node) => node == CausalEdge.Metric ? "metric" : $"{run.Nodes[node].Site}|{run.Nodes[node].Feature}";
        return run.Edges.ToArray().Select(e => ($"{End(e.Up)}>{End(e.Down)}", e.Effect));
    }

    private static IEnumerable<(string Key, float Effect)> SwitchedOn(StoredRun run) => run.SwitchedOn
        .Select(s => ($"{run.Nodes[s.Up].Site}|{run.Nodes[s.Up].Feature}>{s.DownSite}", s.Effect));

    private static Dictionary<string, double> Mean(StoredRun[] runs, Func<StoredRun, IEnumerable<(string Key, float Effect)>> of) =>
        runs.SelectMany(of).GroupBy(x => x.Key).ToDictionary(g => g.Key, g => g.Sum(x => (double)x.Effect) / runs.Length);

    private static void Same(Dictionary<string, double> expected, Dictionary<string, double> actual)
    {
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        var largest = expected.Values.Max(Math.Abs);
        Assert.All(expected, e => Assert.Equal(e.Value, actual[e.Key], 1e-6 * largest));   // one rounding to float32
    }
}
