using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Cli;

public sealed class ExportCommandTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Export_lists_what_it_wrote()
    {
        var output = Export().Output;
        foreach (var part in (string[])["2 layers, width 16", "as they came", "blocks.1.hook_resid_post", "topk", "layer_norm",
            "bundle.json", "model.onnx", "model.safetensors"])
        {
            Assert.Contains(part, output);
        }
        Assert.DoesNotContain(Directory.EnumerateFiles(_directory.Path, "*.part", SearchOption.AllDirectories), _ => true);
    }

    [Fact]
    public void Json_has_the_manifest_of_bundle_json()
    {
        var json = JsonNode.Parse(Export("--json", "--fold-layernorm", "--center-unembed").Output)!;
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(File.ReadAllText(_directory["bundle/bundle.json"])), json["manifest"]));
        Assert.Equal("""{"fold_layernorm":true,"center_writing_weights":false,"center_unembed":true,"fold_value_biases":false}""",
            json["manifest"]!["weight_processing"]!.ToJsonString());
    }

    [Fact]
    public void Weight_processing_changes_no_log_probability()
    {
        double Logprob(params string[] options)
        {
            Export([.. options, "--force"]);
            Verb.Run("graph", "--model", _directory["bundle"], "--prompt", "Hello", "--target", "x", "--metric", "logprob",
                "--out", _directory["run"], "--force").Done();
            return (double)RunDirectory.Read(_directory["run"]).Facts["clean_metric"]!;
        }
        Assert.Equal(Logprob(), Logprob("--fold-layernorm", "--center-writing-weights", "--center-unembed"), 1e-4);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Screens_change_no_number_and_are_files_of_the_bundle(bool inPlace)
    {
        var tiny = _directory["tiny"];
        Copy(Repository.TinyModel, tiny);
        var bundle = inPlace ? tiny : _directory["screened"];
        string[] Graph(string of, string run)
        {
            Verb.Run("graph", "--model", of, "--prompt", "Copyright (C", "--target", ")", "--edges", "exact", "--out", _directory[run])
                .Done();
            return [.. ((string[])["nodes", "edges"])
                .Select(t => Verb.Run("query", _directory[run], $"SELECT * EXCLUDE (run) FROM {t}", "--format", "csv").Done().Output)];
        }
        Verb.Run("export", "--checkpoint", tiny, "--out", tiny, "--force", "--no-check").Done();
        var plain = Graph(tiny, "plain");
        var export = Verb.Run("export", "--checkpoint", tiny, "--out", bundle, "--force", "--no-check", "--screen", "--json").Done();
        var records = JsonNode.Parse(export.Output)!["manifest"]!["dictionaries"]!.AsArray();
        Assert.All(records, r => Assert.EndsWith("/encoder_screen.safetensors", (string?)r!["screen"]));
        Assert.Equal(plain, Graph(bundle, "screened-run"));
        var screen = Path.Combine(bundle, (string)records[0]!["screen"]!);
        var bytes = File.ReadAllBytes(screen);
        bytes[^1] ^= 1;
        File.WriteAllBytes(screen, bytes);
        Assert.Contains("encoder_screen.safetensors", Verb.Run("export", "--verify", bundle).Error);
        // without the option they go, wherever they lie
        Verb.Run("export", "--checkpoint", tiny, "--out", bundle, "--force", "--no-check").Done();
        Assert.Empty(Directory.EnumerateFiles(bundle, "encoder_screen*", SearchOption.AllDirectories));
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var path = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Copy(file, path);
        }
    }

    [Fact]
    public void Dictionaries_may_come_from_several_folders()
    {
        foreach (var site in (string[])["blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre"])
        {
            Tests.Export.DictionaryFiles.Random(site, width: 16, features: 24, seed: 1).Write(_directory[$"{site}/x"]);
        }
        var output = Export("--dictionaries", _directory["blocks.0.hook_mlp_out"],
            "--dictionaries", _directory["blocks.1.hook_resid_pre"]).Output;
        foreach (var site in (string[])["blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre"]) Assert.Contains(site, output);
    }

    [Fact]
    public void What_was_passed_over_and_what_files_do_not_say_is_said_beside_the_result()
    {
        var dictionary = Tests.Export.DictionaryFiles.Random("blocks.0.hook_mlp_out", width: 16, features: 24, seed: 1);
        dictionary.Config["normalize_activations"] = "expected_average_only_in";
        dictionary.Write(_directory["sae/mlp"]);
        File.WriteAllText(_directory["sae/notes.pt"], "no pickle");
        var export = Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--dictionaries", _directory["sae"],
            "--out", _directory["bundle"], "--no-check", "--json");
        Assert.NotNull(JsonNode.Parse(export.Output));
        var lines = export.Error.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.StartsWith($"note: {_directory["sae/notes.pt"]}: is no zip archive", lines[0]);
        Assert.StartsWith($"note: {_directory["sae/mlp"]}: normalize_activations is 'expected_average_only_in' and norm_scaling_factor",
            lines[1]);
    }

    [Fact]
    public void A_bundle_within_a_folder_that_is_searched_can_be_made_anew()
    {
        Tests.Export.DictionaryFiles.Random("blocks.0.hook_mlp_out", width: 16, features: 24, seed: 1).Write(_directory["mine"]);
        string[] export = ["export", "--checkpoint", Random2Fixture.Checkpoint, "--dictionaries", _directory.Path,
            "--out", _directory["bundle"], "--no-check", "--json"];
        var first = Verb.Run(export).Done().Output;
        Assert.Equal(first, Verb.Run([.. export, "--force"]).Done().Output);
    }

    [Fact]
    public void A_pickle_that_asks_for_more_than_weights_is_refused_in_one_line()
    {
        TorchBytes.WriteArchive(_directory["from/resid_post_mlp/autoencoders/1.pt"],
            [0x80, 2, .. TorchBytes.Global("os", "system"), .. TorchBytes.Text("touch x"), 0x85, (byte)'R', (byte)'.']);
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", _directory["bundle"], "--dictionaries", _directory["from"])
            .Failed(1, "1.pt", "asks for 'os.system'", "nothing was run", "safetensors");
    }

    [Theory]
    [InlineData("export")]
    [InlineData("graph")]
    [InlineData("query")]
    public void Every_verb_has_help_with_an_example_and_the_common_options(string verb)
    {
        var output = Verb.Run(verb, "--help").Done().Output;
        foreach (var part in (string[])[$"Example: onnx-attribution {verb} ", "--json", "--device <cpu|cuda>",
            "--threads <N>", "--verbose"])
        {
            Assert.Contains(part, output);
        }
    }

    private Verb Export(params string[] more) =>
        Verb.Run(["export", "--checkpoint", Random2Fixture.Checkpoint, "--out", _directory["bundle"], "--no-check", .. more]).Done();
}
