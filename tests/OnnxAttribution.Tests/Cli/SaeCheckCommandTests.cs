using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Export;
using OnnxAttribution.Tests.Preflight;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>sae check</c> and the warnings of <c>export</c>, by the command line.</summary>
public sealed class SaeCheckCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private Verb Check(params string[] args) => Verb.Run(["sae", "check", "--model", model.Bundle, .. args]);

    // models/tiny with one dictionary, whose k is forgotten
    private string Faulty()
    {
        var dictionary = CheckedDictionary.Trained("blocks.0.hook_attn_out");
        dictionary.Config["architecture"] = "standard";
        dictionary.Config.Remove("k");
        dictionary.Write(_directory["dictionaries/one"]);
        return _directory["dictionaries"];
    }

    private Verb Export(params string[] more) =>
        Verb.Run(["export", "--checkpoint", Repository.TinyModel, "--out", _directory["bundle"], .. more]);

    [Fact]
    public void An_export_of_sound_dictionaries_warns_of_nothing() => Export().Done();

    [Fact]
    public void An_export_of_a_faulty_one_is_done_with_a_warning_and_the_check_says_the_same()
    {
        var export = Export("--dictionaries", Faulty());
        Assert.Equal(0, export.Code);
        Assert.Contains("wrote", export.Output);
        var lines = export.Error.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.All(lines, l => Assert.StartsWith("warning: ", l));
        Assert.Contains("blocks.0.hook_attn_out rebuilds better as TopK than as ReLU, as it is read", lines[0]);
        Assert.Contains($"onnx-attribution sae check --model {_directory["bundle"]}", lines[1]);
        Export("--dictionaries", Faulty(), "--force", "--no-check").Done();

        string[] check = ["sae", "check", "--model", _directory["bundle"], "--tokens", "512", "--loss-tokens", "128"];
        var output = Verb.Run(check).Done().Output;
        Assert.Contains("TopK read as ReLU", output);
        Assert.Contains("- blocks.0.hook_attn_out rebuilds better as TopK", output);
        var strict = Verb.Run([.. check, "--strict"]);
        Assert.Equal((1, output.Split('\n').Length), (strict.Code, strict.Output.Split('\n').Length));
        Assert.Equal("onnx-attribution: 1 of 1 dictionary looks wrong: blocks.0.hook_attn_out\n", strict.Error);
        var finding = JsonNode.Parse(Verb.Run([.. check, "--json"]).Done().Output)!["findings"]!.AsArray().Single()!;
        Assert.Equal("topk_read_as_relu", (string)finding["fault"]!);
        Assert.True((double)finding["after"]!["variance_explained"]! > (double)finding["before"]!["variance_explained"]!);
    }

    [Fact]
    public void Many_faulty_dictionaries_get_one_cause_and_a_list()
    {
        foreach (var site in (string[])["blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre", "blocks.3.hook_attn_out"])
        {
            var dictionary = CheckedDictionary.Trained(site);
            dictionary.Config["apply_b_dec_to_input"] = false;
            dictionary.Write(_directory[$"dictionaries/{site}"]);
        }
        var lines = Export("--dictionaries", _directory["dictionaries"]).Error.TrimEnd().Split('\n');
        Assert.Equal(3, lines.Length);
        Assert.Contains("blocks.0.hook_mlp_out rebuilds better with b_dec subtracted", lines[0]);
        Assert.Equal("warning: 2 more look wrong: blocks.1.hook_resid_pre, blocks.3.hook_attn_out", lines[1]);
    }

    [Fact]
    public void A_model_that_overflows_is_exported_with_a_warning_that_names_the_site()
    {
        var checkpoint = Random2Fixture.ChangedCheckpoint(_directory, "h.0.mlp.c_proj.weight", w => Array.Fill(w, 3e38f));
        var export = Verb.Run("export", "--checkpoint", checkpoint,
            "--dictionaries", Path.Combine(Random2Fixture.Checkpoint, "dictionaries"), "--out", _directory["bundle"]);
        Assert.Equal(0, export.Code);
        Assert.StartsWith("warning: the dictionaries were not checked: the activations of blocks.0.hook_mlp_out hold", export.Error);
    }

    [Fact]
    public void Cancelling_a_check_ends_it()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Verb.Run(cancel.Token, "sae", "check", "--model", model.Bundle).Failed(130, "cancelled");
    }

    [Fact]
    public void Figures_are_a_table_or_one_JSON_object_and_a_sound_bundle_passes_strictly()
    {
        string[] check = ["sae", "check", "--model", Repository.TinyModel, "--sites", "3.attn,3.mlp", "--tokens", "512",
            "--loss-tokens", "256", "--strict"];
        var output = Verb.Run(check).Done().Output;
        Assert.Contains("All dictionaries look well.", output);
        Assert.Contains("variance explained", output);
        Assert.DoesNotContain('\u001b', output);
        var json = JsonNode.Parse(Verb.Run([.. check, "--json"]).Done().Output)!;
        Assert.Equal((512, 128), ((int)json["tokens"]!, (int)json["context"]!));
        var site = json["sites"]!.AsArray()[1]!;
        Assert.Equal("blocks.3.hook_mlp_out", (string)site["site"]!);
        Assert.Equal((int)site["dead"]! / 1024.0, (double)site["dead_share"]!);
        var loss = site["loss"]!;
        var (clean, spliced, zero) = ((double)loss["clean"]!, (double)loss["spliced"]!, (double)loss["zero"]!);
        Assert.Equal((zero - spliced) / (zero - clean), (double)loss["recovered"]!, 9);
        Assert.Empty(json["findings"]!.AsArray());
    }

    [Fact]
    public void A_text_of_ones_own_is_read_from_its_beginning()
    {
        File.WriteAllText(_directory["mine.txt"],
            string.Concat(Enumerable.Repeat("the quick brown fox jumps over the lazy dog\n<|endoftext|>\n", 20)));
        var json = JsonNode.Parse(
            Check("--text", _directory["mine.txt"], "--tokens", "200", "--loss-tokens", "0", "--json").Done().Output)!;
        Assert.Equal(("mine.txt", 200, 32), ((string)json["text"]!, (int)json["tokens"]!, (int)json["context"]!));
        Assert.All(json["sites"]!.AsArray(), s => Assert.Null(s!["loss"]));
        // the random dictionaries of the random model rebuild nothing
        Assert.Contains(json["findings"]!.AsArray(), f => (string)f!["fault"]! == "does_not_fit");
    }

    [Theory]
    [InlineData("--tokens 0 is too little", "--tokens", "0")]
    [InlineData("--loss-tokens -1 is too little", "--loss-tokens", "-1")]
    [InlineData("--context 4 is too little", "--context", "4")]
    [InlineData("--memory 0 is too little", "--memory", "0")]
    [InlineData("--tokens cannot be 'many'", "--tokens", "many")]
    [InlineData("--sites is empty", "--sites", ",")]
    [InlineData("'--txet'", "--txet", "f")]
    public void Wrong_usage_is_told(string words, params string[] args) => Check(args).Failed(2, words);

    [Fact]
    public void What_is_missing_is_told_with_the_fix()
    {
        Verb.Run("sae", "check").Failed(2, "--model");
        Verb.Run("sae").Failed(2, "check");
        Verb.Run("sae", "chekc").Failed(2, "chekc", "check");
        Verb.Run("sae", "check", "--model", _directory["none"]).Failed(1, _directory["none"], "export");
        Check("--text", _directory["none.txt"]).Failed(1, _directory["none.txt"], "there is no file");
        File.WriteAllText(_directory["blank.txt"], "<|endoftext|>\n");
        Check("--text", _directory["blank.txt"]).Failed(1, _directory["blank.txt"], "holds no text");
        File.WriteAllText(_directory["short.txt"], "too short");
        Check("--text", _directory["short.txt"]).Failed(1, "short.txt has 9 tokens", "context of 31", "--context");
        foreach (var few in (string[])["1", "2", "15"])
        {
            Check("--tokens", few, "--strict").Failed(1, $"gives {few} token", "too few to say", "read more of it", "(--tokens or --text)");
        }
        Check("--context", "64").Failed(1, "a context of 64", "32 tokens", "(--context)");
        Check("--sites", "resdi").Failed(1, "no site 'resdi'", "'resid'");
        var bare = Random2.Bundle(Random2.Copy(_directory["checkpoint"]), _directory["bare"]);
        Verb.Run("sae", "check", "--model", bare).Failed(1, bare, "has no dictionary", "--dictionaries");
    }

    [Fact]
    public void The_help_has_an_example()
    {
        Assert.Contains("Example: onnx-attribution sae check --model models/tiny", Verb.Run("sae", "--help").Done().Output);
        Assert.Contains("Example: onnx-attribution sae check --model models/tiny --strict",
            Verb.Run("sae", "check", "--help").Done().Output);
    }
}
