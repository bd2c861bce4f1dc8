using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Every verb on a graph that another program exported, by the command line.</summary>
public sealed class ForeignVerbsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("gpt2-13"), InlineData("llama-17")]
    public void Every_verb_runs_on_a_graph_of_torch(string name)
    {
        using var foreign = new ForeignModel(name);
        foreign.Write();
        foreach (var site in (string[])["blocks.0.hook_attn_out", "blocks.0.hook_mlp_out", "blocks.1.hook_resid_post"])
        {
            DictionaryFiles.Random(site, width: 8, features: 24, seed: site.Length).Write(Path.Combine(_directory["saes"], site));
        }
        var exported = Verb.Run("export", "--onnx", foreign.OnnxPath, "--sites", foreign.SitesPath, "--dictionaries", _directory["saes"],
            "--tokenizer", Random2.Checkpoint, "--out", foreign.Bundle, "--no-check").Done().Output;
        Assert.Contains("onnx, 2 layers, width 8, 4 heads, 257 tokens, context 24, 7 sites", exported);
        Assert.Contains("blocks.0.hook_mlp_out", exported);
        var run = _directory["run"];
        Assert.Contains("conservation",
            Verb.Run("graph", "--model", foreign.Bundle, "--prompt", "Hello", "--all", "--out", run).Done().Output);
        var validation = JsonNode.Parse(Verb.Run("validate", run, "--sample", "20", "--json").Done().Output)!["validation"]!;
        Assert.Equal(20, (int)validation["nodes"]!["count"]!);
        Verb.Run("query", run, "SELECT count(DISTINCT down_site) AS sites FROM edges", "--json", "--out", _directory["rows.json"]).Done();
        var rows = JsonNode.Parse(File.ReadAllText(_directory["rows.json"]))!;
        // the MLP, the last residual site and the metric
        Assert.Equal(3, (int)rows.AsArray()[0]!["sites"]!);
        Verb.Run("ablate", "--model", foreign.Bundle, "--prompt", "Hello", "--out", _directory["ablated"]).Done();
        Verb.Run("graph", "--model", foreign.Bundle, "--prompt", "Hello", "--sites", "resid", "--method", "ig", "--steps", "3",
            "--estimator", "relp", "--out", _directory["ig"]).Done();
        File.WriteAllText(_directory["text.txt"], string.Concat(Enumerable.Repeat("Hello, hello world. ", 20)));
        Assert.Contains("72 features of 3 sites",
            Verb.Run("features", "--model", foreign.Bundle, "--text", _directory["text.txt"]).Done().Output);
        Verb.Run("view", run, "--force").Done();
        var lens = JsonNode.Parse(Verb.Run("lens", "--model", foreign.Bundle, "--prompt", "Hello", "--features", "--json").Done().Output)!;
        Assert.InRange((double)lens["miss"]!, 0, 1e-5);
        Assert.Equal(5, lens["summands"]!.AsArray().Count(s => (string)s!["kind"]! is "embed" or "attn" or "mlp"));
        var trace = Verb.Run("lens", "--model", foreign.Bundle, "--prompt", "Hello", "--along", "1.resid_post:3", "--json").Done().Output;
        Assert.InRange((double)JsonNode.Parse(trace)!["miss"]!, 0, 1e-5);
    }

    [Fact]
    public void A_sites_file_and_a_tokenizer_beside_the_graph_are_found()
    {
        using var foreign = new ForeignModel("gpt2-17");
        foreign.Write();
        var files = JsonNode.Parse(
            Verb.Run("export", "--onnx", foreign.OnnxPath, "--out", foreign.Bundle, "--json").Done().Output)!["manifest"]!["files"]!
            .AsObject()
            .Select(f => f.Key);
        Assert.Equal(["merges.txt", "model.onnx", "vocab.json", "weights.bin"], files.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_was_filled_in_left_out_and_widened_is_printed()
    {
        using var foreign = new ForeignModel("fp16-llama");
        foreign.Write();
        var verb = Verb.Run("export", "--onnx", foreign.OnnxPath, "--out", foreign.Bundle);
        Assert.Equal(0, verb.Code);
        Assert.Contains("filled in: attention_mask: 1 at every token", verb.Output);
        Assert.Contains("filled in: position_ids: 0, 1, 2, … along the positions", verb.Output);
        Assert.Contains("filled in: past_key_values.0.key, past_key_values.0.value and 2 more up to past_key_values.1.value: "
            + "no earlier tokens", verb.Output);
        Assert.Contains("left out: present.0.key, present.0.value and 2 more up to present.1.value", verb.Output);
        Assert.Contains("widened: float16 to float32, 23 weights", verb.Output);
        Assert.StartsWith("note: the graph computes in float16, the bundle in float32", Assert.Single(verb.Error.TrimEnd().Split('\n')));
        var again = Verb.Run("export", "--onnx", foreign.OnnxPath, "--out", foreign.Bundle, "--force", "--json");
        var adopted = JsonNode.Parse(again.Output)!["manifest"]!["adopted"]!;
        Assert.Equal("no earlier tokens", (string?)adopted["filled"]!["past_key_values.1.value"]);
        Assert.Equal("present.0.key", (string?)adopted["left_out"]![0]);
        Assert.Equal(23, (int)adopted["widened"]!["float16"]!);
        Verb.Run("graph", "--model", foreign.Bundle, "--prompt", "Hello", "--all", "--refine", "off", "--out", _directory["run"]).Done();
    }

    [Theory]
    [InlineData("either --checkpoint DIR or --onnx FILE")]
    [InlineData("either --checkpoint DIR or --onnx FILE", "--checkpoint", "a", "--onnx", "b")]
    [InlineData("go with --onnx", "--checkpoint", "a", "--sites", "b")]
    [InlineData("nothing says which weights these are", "--onnx", "a", "--fold-layernorm")]
    [InlineData("nothing says which weights these are", "--onnx", "a", "--center-unembed")]
    [InlineData("sites.json names every site", "--onnx", "a", "--further-sites", "z")]
    public void Options_that_do_not_go_together_are_refused(string words, params string[] options) =>
        Verb.Run(["export", "--out", _directory["bundle"], .. options]).Failed(2, words);

    [Fact]
    public void A_context_longer_than_the_table_of_positions_is_refused_and_nothing_is_left()
    {
        using var foreign = new ForeignModel("gpt2-17");
        foreign.Sites["n_ctx"] = 1000;
        foreign.Write();
        Verb.Run("export", "--onnx", foreign.OnnxPath, "--sites", foreign.SitesPath, "--out", foreign.Bundle)
            .Failed(1, foreign.SitesPath, "n_ctx is 1000", "more than 24 tokens", "write \"n_ctx\": 24");
        Assert.False(Directory.Exists(foreign.Bundle));
    }

    [Fact]
    public void A_refusal_is_one_line()
    {
        using var foreign = new ForeignModel("neox-16");
        foreign.SiteNames["blocks.1.hook_attn_out"] = "/model/gpt_neox/layers.1/attention/dense/MatMul_output_0";
        foreign.Write();
        Verb.Run("export", "--onnx", foreign.OnnxPath, "--out", foreign.Bundle).Failed(1, "blocks.1.hook_attn_out", "adds a bias to it");
        Verb.Run("export", "--onnx", _directory["none.onnx"], "--sites", foreign.SitesPath, "--out", foreign.Bundle)
            .Failed(1, "none.onnx", "torch.onnx.export");
        Verb.Run("export", "--onnx", _directory["none.onnx"], "--out", foreign.Bundle).Failed(1, "none.onnx", "torch.onnx.export");
        Verb.Run("export", "--onnx", foreign.Source, "--out", foreign.Bundle).Failed(1, foreign.Source, "is a directory", ".onnx file");
        Verb.Run("export", "--onnx", foreign.OnnxPath, "--sites", foreign.Source, "--out", foreign.Bundle)
            .Failed(1, foreign.Source, "is a directory", "JSON");
        Verb.Run("export", "--onnx", foreign.OnnxPath, "--tokenizer", _directory["none"], "--out", foreign.Bundle).Failed(1, "--tokenizer");
    }
}
