using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Each kind of bad input: one line that names the culprit and the fix, exit code 1 or 2, nothing left behind.</summary>
public sealed class BadInputTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["run"];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(new[] { "grpah" }, "'grpah'", "'graph'")]
    [InlineData(new[] { "graph", "--modle", "x" }, "'--modle'", "'--model'")]
    [InlineData(new[] { "query", "--formt=csv" }, "'--formt'", "'--format'")]
    [InlineData(new[] { "--verbos" }, "'--verbos'", "'--verbose'")]
    [InlineData(new[] { "graph", "--thread", "2" }, "'--thread'", "'--threads'")]
    [InlineData(new[] { "graph", "--model", "m", "--prompt", "two", "words", "--out", "o" }, "'words'", "quotes")]
    public void An_unknown_word_is_answered_with_the_nearest(string[] args, string culprit, string fix) =>
        Verb.Run(args).Failed(2, culprit, fix);

    [Theory]
    [InlineData("which verb")]
    [InlineData("there is no prompt", "graph", "--model", "m", "--out", "o")]
    [InlineData("--out", "graph", "--model", "m", "--prompt", "p")]
    [InlineData("--prompt is empty", "graph", "--model", "m", "--prompt", "", "--out", "o")]
    [InlineData("--prompts contradict", "graph", "--model", "m", "--prompt", "p", "--prompts", "f", "--out", "o")]
    [InlineData("--target goes with --prompt", "graph", "--model", "m", "--target", "p", "--prompts", "f", "--out", "o")]
    [InlineData("--steps cannot be 'many'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--method", "ig", "--steps", "many")]
    [InlineData("--steps 0", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--method", "ig", "--steps", "0")]
    [InlineData("--steps goes with --method ig", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--steps", "5")]
    [InlineData("--steps goes with --method ig", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--steps", "5", "--method", "atp")]
    [InlineData("--refine cannot be '0'; it takes a whole number from 1, or off", "graph", "--model", "m", "--prompt", "p", "--out", "o",
        "--refine", "0")]
    [InlineData("contradicts --method ig", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--method", "ig", "--exact-depth", "1")]
    [InlineData("--exact-depth moves every node already, so --refine 4", "graph", "--model", "m", "--prompt", "p", "--out", "o",
        "--exact-depth", "1", "--refine", "4")]
    [InlineData("--exact-depth -1", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--exact-depth", "-1")]
    [InlineData("--position -1", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--position", "-1")]
    [InlineData("--metric cannot be 'logits'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--metric", "logits")]
    [InlineData("--device cannot be 'gpu'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--device", "gpu")]
    [InlineData("--threads 0 is too little", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--threads", "0")]
    [InlineData("--timeout 5000000 is too much; it takes a whole number up to 4000000", "query", "r", "SELECT 1", "--timeout", "5000000")]
    [InlineData("--threads cannot be 'x'", "query", "r", "SELECT 1", "--threads", "x")]
    [InlineData("no use for 'maybe'", "query", "r", "SELECT 1", "--json=maybe")]
    [InlineData("no use for 'maybe'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--prepend-bos", "maybe")]
    [InlineData("RUN is missing", "validate")]
    [InlineData("RUN is missing", "query")]
    [InlineData("SQL is missing", "query", "r")]
    [InlineData("--model is missing", "ablate", "--prompt", "p", "--out", "o")]
    [InlineData("--model is missing", "ablate", "--prompt", "p", "--circuit", "0:1")]
    [InlineData("--model is missing", "ablate", "--prompt", "p", "--up", "0:1", "--down", "1:1")]
    [InlineData("--out is missing", "ablate", "--model", "m", "--prompt", "p")]
    [InlineData("ask for different things", "ablate", "--model", "m", "--prompt", "p", "--circuit", "0:1", "--up", "0:1")]
    [InlineData("--prompt is given more than once", "graph", "--model", "m", "--prompt", "p", "--prompt", "q", "--out", "o")]
    [InlineData("--prompt is given more than once", "ablate", "--model", "m", "--prompt", "p", "--prompt", "q", "--out", "o")]
    [InlineData("--out is given without a value", "ablate", "--model", "m", "--prompt", "p", "--out")]
    [InlineData("--prompt is given without a value, unless it is to be '--out'", "ablate", "--model", "m", "--prompt", "--out", "o")]
    [InlineData("--sites is empty", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--sites", "")]
    [InlineData("--sites is empty", "ablate", "--model", "m", "--prompt", "p", "--out", "o", "--sites", ", ")]
    [InlineData("--foil goes with --metric logit-diff", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--foil", "x")]
    [InlineData("--foil goes with --metric logit-diff", "ablate", "--model", "m", "--prompt", "p", "--circuit", "0:1", "--foil", "x",
        "--metric", "prob")]
    [InlineData("--top-nodes cannot be 'x'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--top-nodes", "x")]
    [InlineData("--node-threshold cannot be 'nan'", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--node-threshold", "nan")]
    [InlineData("--top-nodes contradicts", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--all", "--top-nodes", "3")]
    [InlineData("use --method ig, or leave --edges out", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--metric", "kl",
        "--method", "exact", "--edges", "exact")]
    [InlineData("use --method ig or --method exact", "graph", "--model", "m", "--prompt", "p", "--out", "o", "--metric", "kl")]
    [InlineData("--checkpoint", "export", "--out", "o")]
    [InlineData("--checkpoint is empty; give it a directory", "export", "--checkpoint", "", "--out", "o")]
    [InlineData("--dictionaries is empty", "export", "--checkpoint", "c", "--dictionaries", "d", "--dictionaries", "", "--out", "o")]
    [InlineData("--onnx is empty; give it a file", "export", "--onnx", " ", "--out", "o")]
    [InlineData("--out is empty", "graph", "--model", "m", "--prompt", "p", "--out", "")]
    [InlineData("--model is empty", "sae", "check", "--model", "")]
    [InlineData("--text is empty", "features", "--model", "m", "--text", "")]
    [InlineData("--faithfulness is empty; give it a run directory", "ablate", "--faithfulness", "")]
    [InlineData("RUN is empty", "view", "")]
    [InlineData("RUN is empty", "query", "", "SELECT 1")]
    public void Wrong_usage_is_told_before_anything_is_read(string words, params string[] args) => Verb.Run(args).Failed(2, words);

    [Fact]
    public void A_missing_model_is_told_with_the_verb_that_makes_one() =>
        Refused(Graph("nowhere/at/all", "Hello"), "nowhere/at/all", "onnx-attribution export");

    [Fact]
    public void A_damaged_bundle_is_to_be_exported_again()
    {
        foreach (var text in (string[])["{", "[]", "null", "{\"format_version\": 1}",
            File.ReadAllText(Path.Combine(model.Bundle, "bundle.json")).Replace("\"format_version\": 2", "\"format_version\": 99")])
        {
            var bundle = CopyOfBundle();
            File.WriteAllText(Path.Combine(bundle, "bundle.json"), text);
            Refused(Graph(bundle, "Hello"), "bundle.json", "export");
        }
    }

    [Theory]
    [InlineData("name", "null", "name is not of the kind that it should be at line")]
    [InlineData("architecture", "null", "architecture is not")]
    [InlineData("n_layers", "0", "its n_layers is 0, which no model has"), InlineData("n_heads", "-3", "its n_heads is -3")]
    [InlineData("d_model", "-1", "its d_model is -1"), InlineData("d_vocab", "0", "its d_vocab is 0")]
    [InlineData("n_ctx", "0", "its n_ctx is 0")]
    public void A_key_of_bundle_json_that_cannot_be_is_named(string key, string value, string words)
    {
        var bundle = CopyOfBundle();
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(bundle, "bundle.json")))!;
        json[key] = JsonNode.Parse(value);
        File.WriteAllText(Path.Combine(bundle, "bundle.json"), json.ToJsonString());
        Refused(Graph(bundle, "Hello"), "bundle.json", words, "export the bundle again");
    }

    [Fact]
    public void A_file_that_is_missing_or_changed_since_the_export_is_named()
    {
        var bundle = CopyOfBundle();
        File.Delete(Path.Combine(bundle, "merges.txt"));
        Refused(Graph(bundle, "Hello"), "merges.txt", "export");
        bundle = CopyOfBundle();
        File.AppendAllText(Path.Combine(bundle, "model.onnx"), "x");
        Refused(Graph(bundle, "Hello"), "model.onnx", "export");
    }

    [Fact]
    public void A_missing_checkpoint_or_file_of_it_is_named()
    {
        Verb.Run("export", "--checkpoint", _directory["none"], "--out", Out).Failed(1, _directory["none"]);
        var copy = Directory.CreateDirectory(_directory["half"]).FullName;
        File.Copy(Path.Combine(Random2Fixture.Checkpoint, "config.json"), Path.Combine(copy, "config.json"));
        Verb.Run("export", "--checkpoint", copy, "--out", Out).Failed(1, "model.safetensors");
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--dictionaries", _directory["none"], "--out", Out)
            .Failed(1, _directory["none"], "--dictionaries");
        NothingThere();
    }

    [Fact]
    public void A_prompt_longer_than_the_context_is_refused() =>
        Refused(Graph(model.Bundle, new string('a', 32)), "33 tokens", "32", "shorten");

    [Fact]
    public void A_target_that_is_not_one_token_is_shown_as_its_tokens() =>
        Refused(Graph(model.Bundle, "Hello", "--target", "a\nb"), "3 tokens: 'a' '\\n' 'b'", "leading space");

    [Fact]
    public void A_foil_that_is_not_one_token_is_shown_as_its_tokens() =>
        Refused(Graph(model.Bundle, "Hello", "--metric", "logit-diff", "--foil", "no"), "the foil 'no'", "(--foil)", "2 tokens: 'n' 'o'");

    [Fact]
    public void A_position_outside_the_prompt_is_refused() =>
        Refused(Graph(model.Bundle, "Hello", "--position", "6"), "position 6", "0 to 5", "(--position)");

    [Fact]
    public void An_unknown_site_is_answered_with_the_nearest()
    {
        Refused(Graph(model.Bundle, "Hello", "--sites", "blocks.1.hook_mlp_in"), "'blocks.1.hook_mlp_in'", "'blocks.1.hook_mlp_out'");
        Refused(Graph(model.Bundle, "Hello", "--sites", "residual"), "'residual'", "'resid'");
    }

    [Fact]
    public void Clean_and_patch_prompts_of_different_lengths_are_printed_side_by_side()
    {
        var failed = Graph(model.Bundle, "Hello", "--patch-prompt", "Hexl");
        Assert.Equal(1, failed.Code);
        Assert.Equal("", failed.Output);
        var lines = failed.Error.TrimEnd().Split(Environment.NewLine.ToCharArray(), StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("onnx-attribution: the prompt has 6 tokens and the patch prompt 5; change one of them so that both have as many:",
            lines[0]);
        Assert.Equal(["3 * 'l' 'x'", "4 'l' 'l'", "5 * 'o'"],
            lines[^3..].Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        NothingThere();
    }

    [Fact]
    public void A_directory_that_cannot_be_written_is_named()
    {
        File.WriteAllText(_directory["file"], "");
        Graph(model.Bundle, "Hello", "--out", _directory["file/run"]).Failed(1, _directory["file/run"], "writable");
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", _directory["file/bundle"])
            .Failed(1, _directory["file/bundle"], "writable");
        Graph(model.Bundle, "Hello", "--out", "/proc/no/run").Failed(1, "/proc/no/run");
        Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(_directory.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void What_is_there_is_replaced_only_by_force()
    {
        Graph(model.Bundle, "Hello").Done();
        var before = File.ReadAllText(Path.Combine(Out, "run.json"));
        Graph(model.Bundle, "World").Failed(1, Out, "--force");
        Assert.Equal(before, File.ReadAllText(Path.Combine(Out, "run.json")));
        Graph(model.Bundle, "World", "--force").Done();
        Assert.Contains("World", File.ReadAllText(Path.Combine(Out, "run.json")));
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", model.Bundle).Failed(1, model.Bundle, "--force");
    }

    [Fact]
    public void A_failed_run_with_force_leaves_the_old_run()
    {
        Graph(model.Bundle, "Hello").Done();
        Graph(model.Bundle, "Hello", "--force", "--target", "two").Failed(1, "'two'");
        Assert.Contains("Hello", File.ReadAllText(Path.Combine(Out, "run.json")));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void A_weight_that_is_no_number_is_named_by_its_tensor_at_export(float value)
    {
        var checkpoint = Random2Fixture.ChangedCheckpoint(_directory, "h.1.mlp.c_fc.weight", w => w[7] = value);
        Verb.Run("export", "--checkpoint", checkpoint, "--out", Out).Failed(1, "h.1.mlp.c_fc.weight");
        NothingThere();
    }

    [Fact]
    public void An_infinite_activation_is_named_by_its_site()
    {
        var checkpoint = Random2Fixture.ChangedCheckpoint(_directory, "h.0.mlp.c_proj.weight", w => Array.Fill(w, 3e38f));
        Verb.Run("export", "--checkpoint", checkpoint, "--out", _directory["bundle"], "--no-check").Done();
        Refused(Graph(_directory["bundle"], "Hello"), "blocks.0.hook_mlp_out");
    }

    [Fact]
    public void A_dictionary_for_another_width_or_site_is_refused()
    {
        var dictionaries = Random2Fixture.Dictionary(_directory, "blocks.0.hook_mlp_out", width: 8);
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--dictionaries", dictionaries, "--out", Out)
            .Failed(1, "width 8", "width 16");
        dictionaries = Random2Fixture.Dictionary(_directory, "blocks.7.hook_mlp_out", width: 16);
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--dictionaries", dictionaries, "--out", Out)
            .Failed(1, "blocks.7.hook_mlp_out", "2 layers");
        NothingThere();
    }

    [Fact]
    public void Cuda_without_a_gpu_names_the_library()
    {
        Assert.SkipWhen(File.Exists(Path.Combine(AppContext.BaseDirectory, "libonnxruntime_providers_cuda.so")),
            "the CUDA provider is here");
        Refused(Graph(model.Bundle, "Hello", "--device", "cuda"), "libonnxruntime_providers_", "make gpu", "device cpu", "(--device)");
    }

    [Fact]
    public void Sql_that_fails_is_told_in_one_line()
    {
        Graph(model.Bundle, "Hello").Done();
        Verb.Run("query", Out, "SELEC 1").Failed(1, "syntax error");
        Verb.Run("query", Out, "SELECT nothing FROM nodes").Failed(1, "nothing");
        Verb.Run("query", Out, "DROP VIEW nodes").Failed(1, "only reads");
        Verb.Run("query", _directory["none"], "SELECT 1").Failed(1, _directory["none"]);
    }

    [Fact]
    public void A_run_whose_model_has_gone_is_measured_where_the_model_is_now()
    {
        var moved = CopyOfBundle();
        Graph(moved, "Hello").Done();
        Directory.Move(moved, moved + "-moved");
        Verb.Run("ablate", "--faithfulness", Out, "--controls", "1").Failed(1, Out, moved, "(--model)");
        Verb.Run("ablate", "--faithfulness", Out, "--controls", "1", "--model", moved + "-moved").Done();
        Verb.Run("validate", Out).Failed(1, Out, moved, "(--model)");
        Verb.Run("validate", Out, "--sample", "3", "--model", moved + "-moved").Done();
    }

    [Fact]
    public void A_stack_trace_comes_only_with_verbose()
    {
        Assert.DoesNotContain("   at ", Graph("nowhere", "Hello").Error);
        Assert.Contains("   at ", Graph("nowhere", "Hello", "--verbose").Error);
    }

    private Verb Graph(string bundle, string prompt, params string[] more) =>
        Verb.Run(
            ["graph", "--model", bundle, "--prompt", prompt, .. more.Contains("--out") ? Array.Empty<string>() : ["--out", Out], .. more]);

    private void Refused(Verb verb, params string[] words)
    {
        verb.Failed(1, words);
        NothingThere();
    }

    private void NothingThere() =>
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(_directory.Path),
            p => Path.GetFileName(p).Contains("run", StringComparison.Ordinal));

    private string CopyOfBundle()
    {
        var copy = Directory.CreateDirectory(_directory[$"copy{Directory.GetDirectories(_directory.Path).Length}"]).FullName;
        foreach (var file in Directory.EnumerateFiles(model.Bundle, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(copy, Path.GetRelativePath(model.Bundle, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        return copy;
    }
}
