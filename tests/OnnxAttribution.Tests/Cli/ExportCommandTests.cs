using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

public sealed class ExportCommandTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Export_lists_what_it_wrote()
    {
        var output = Export().Output;
        foreach (var part in (string[])["2 layers, width 16", "as they came", "blocks.1.hook_resid_post", "topk", "layer_norm", "bundle.json", "model.onnx", "model.safetensors"]) Assert.Contains(part, output);
        Assert.DoesNotContain(Directory.EnumerateFiles(_directory.Path, "*.part", SearchOption.AllDirectories), _ => true);
    }

    [Fact]
    public void Json_has_the_manifest_of_bundle_json()
    {
        var json = JsonNode.Parse(Export("--json", "--fold-layernorm", "--center-unembed").Output)!;
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(File.ReadAllText(_directory["bundle/bundle.json"])), json["manifest"]));
        Assert.Equal("""{"fold_layernorm":true,"center_writing_weights":false,"center_unembed":true}""", json["manifest"]!["weight_processing"]!.ToJsonString());
    }

    [Fact]
    public void Weight_processing_changes_no_log_probability()
    {
        double Logprob(params string[] options)
        {
            Export([.. options, "--force"]);
            Verb.Run("graph", "--model", _directory["bundle"], "--prompt", "Hello", "--target", "x", "--metric", "logprob", "--out", _directory["run"], "--force").Done();
            return (double)RunDirectory.Read(_directory["run"]).Facts["clean_metric"]!;
        }
        Assert.Equal(Logprob(), Logprob("--fold-layernorm", "--center-writing-weights", "--center-unembed"), 1e-4);
    }

    [Theory]
    [InlineData("export")]
    [InlineData("graph")]
    [InlineData("query")]
    [InlineData("bench")]
    public void Every_verb_has_help_with_an_example_and_the_common_options(string verb)
    {
        var output = Verb.Run(verb, "--help").Done().Output;
        foreach (var part in (string[])[$"Example: onnx-attribution {verb} ", "--json", "--device <cpu|cuda>", "--threads <N>", "--verbose"]) Assert.Contains(part, output);
    }

    private Verb Export(params string[] more) => Verb.Run(["export", "--checkpoint", Random2Fixture.Checkpoint, "--out", _directory["bundle"], "--no-check", .. more]).Done();
}
