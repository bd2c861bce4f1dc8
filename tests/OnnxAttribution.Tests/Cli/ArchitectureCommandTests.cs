using System.Text.Json.Nodes;
using OnnxAttribution.Bench;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verbs on models other than GPT-2.</summary>
public sealed class ArchitectureCommandTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("neox2", "gpt_neox"), InlineData("llama2", "llama"), InlineData("gemma2", "gemma2")]
    public void A_model_goes_from_its_checkpoint_to_a_validated_graph_and_to_ablations(string name, string architecture)
    {
        Verb.Run("export", "--checkpoint", RandomModels.Checkpoint(name), "--out", _directory["bundle"], "--fold-layernorm", "--no-check")
            .Done();
        Assert.Equal(architecture, BundleManifest.Read(_directory["bundle"]).Architecture);
        var graph = JsonNode.Parse(Verb.Run("graph", "--model", _directory["bundle"], "--prompt", "Hello",
            "--all", "--refine", "off", "--out", _directory["run"], "--json").Done().Output)!;
        Assert.InRange((double)graph["conservation_violation"]!, 0, 1e-4);
        Verb.Run("validate", _directory["run"], "--sample", "20", "--compare", "gradient,relp,frozen,gim").Done();
        Verb.Run("ablate", "--model", _directory["bundle"], "--prompt", "Hello", "--out", _directory["ablated"]).Done();
        foreach (var run in (string[])["run", "ablated"])
        {
            Verb.Run("query", _directory[run], "SELECT up_site, count(*) AS edges FROM edges GROUP BY up_site",
                "--json", "--out", _directory[run + ".json"]).Done();
            Assert.NotEmpty(JsonNode.Parse(File.ReadAllText(_directory[run + ".json"]))!.AsArray());
        }
    }

    [Theory, InlineData("qwen2"), InlineData("mistral"), InlineData("neox-sequential"), InlineData("qwen3-yarn")]
    public void Its_kin_are_graphed_validated_and_queried_too(string name)
    {
        var width = (int)RandomModels.Config(name)["hidden_size"]!;
        foreach (var site in (string[])["blocks.0.hook_resid_pre", "blocks.1.hook_mlp_out"])
        {
            DictionaryFiles.Random(site, width, features: 24, seed: 5).Write(_directory[$"dictionaries/{site}"]);
        }
        Verb.Run("export", "--checkpoint", RandomModels.Checkpoint(name), "--dictionaries", _directory["dictionaries"],
            "--out", _directory["bundle"], "--no-check").Done();
        Verb.Run("graph", "--model", _directory["bundle"], "--prompt", "Hello", "--all", "--out", _directory["run"], "--no-page").Done();
        Verb.Run("validate", _directory["run"], "--sample", "10").Done();
        Verb.Run("query", _directory["run"], "SELECT site FROM nodes WHERE feature >= 0 GROUP BY site",
            "--json", "--out", _directory["run.json"]).Done();
        Assert.Equal(2, JsonNode.Parse(File.ReadAllText(_directory["run.json"]))!.AsArray().Count);
    }

    [Fact]
    public void A_processing_that_would_change_the_model_is_one_line()
    {
        Verb.Run("export", "--checkpoint", RandomModels.Checkpoint("llama2"), "--out", _directory["bundle"], "--center-writing-weights")
            .Failed(1, "RMSNorm", "leave them as they are (--center-writing-weights)");
        Assert.False(Directory.Exists(_directory["bundle"]));
    }

    [Fact]
    public void A_site_that_parallel_sublayers_do_not_have_is_refused()
    {
        Verb.Run("export", "--checkpoint", RandomModels.Checkpoint("neox2"), "--out", _directory["bundle"], "--further-sites", "resid_mid")
            .Failed(1, "gpt_neox", "resid_mid", "in parallel");
        Verb.Run("export", "--checkpoint", RandomModels.Checkpoint("neox-sequential"), "--out", _directory["bundle"],
            "--further-sites", "resid_mid,z", "--no-check").Done();
        // the rest is made for transcoders that read or need it
        Assert.Equal(Site.Names(2, always: false).Where(s => !Site.Parse(s).IsForTranscoders),
            BundleManifest.Read(_directory["bundle"]).Sites);
    }

    public static TheoryData<string> Shapes => [.. SyntheticShape.Published.Keys];

    [Theory, MemberData(nameof(Shapes))]
    public void Random_models_of_published_shapes_lie_as_published_and_run(string name)
    {
        var published = SyntheticShape.Published[name];
        var shape = published with
        {
            Layers = 2,
            Width = 32,
            Heads = 4,
            SharedHeads = published.SharedHeads == 0 ? 0 : 2,
            HeadWidth = published.HeadWidth == 0 ? 0 : 12,
            InnerWidth = published.InnerWidth == 0 ? 0 : 44,
            Vocabulary = 300,
            Context = 64,
            Features = 96,
            ActiveFeatures = 12
        };
        var bundle = RandomModel.Prepare(_directory["cache"], shape, _ => { }, CancellationToken.None);
        var manifest = BundleManifest.Read(bundle);
        Assert.Equal((shape.ModelType, shape.Sites), (manifest.Architecture, manifest.Dictionaries.Count));
        using (var weights = SafetensorsFile.Open(Path.Combine(bundle, CheckpointFolder.SingleFile)))
        {
            var (tensor, type) = shape.ModelType switch
            {
                "gpt_neox" => ("gpt_neox.layers.1.attention.query_key_value.weight", TensorType.F16),
                "llama" or "gemma3_text" or "qwen3" => ("model.layers.1.self_attn.k_proj.weight", TensorType.BF16),
                "gemma2" => ("model.layers.1.self_attn.k_proj.weight", TensorType.F32),
                _ => ("h.1.attn.c_attn.weight", TensorType.F32),
            };
            Assert.Equal(type, weights.Tensors[tensor].Type);
        }
        var facts = JsonNode.Parse(
            Verb.Run("graph", "--model", bundle, "--prompt", "aaaa", "--out", _directory["run"], "--json").Done().Output)!;
        Assert.True((int)facts["nodes"]! > 5 * shape.Sites);
    }
}
