using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Checkpoints;

/// <summary>Names of tensors as people's files have them: wrapped, held, tied.</summary>
public sealed class WeightNamesTests : IDisposable
{
    private static readonly Dictionary<string, string> s_none = [];

    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Models => [.. RandomModels.Names, "random2"];

    public void Dispose() => _directory.Dispose();

    [Theory, MemberData(nameof(Models))]
    public void Wrapped_and_held_models_have_the_same_tensors(string model)
    {
        var (layout, names) = Of(model);
        var plain = new WeightNames(layout, "w", names, s_none);
        Func<string, string>[] wraps =
        [
            n => "_orig_mod." + n, n => "module." + n, n => "module._orig_mod." + n, n => "model." + n, n => "model._orig_mod." + n,
            n => "_forward_module.model." + n,
            n => n.Replace(layout.Blocks + "0.", layout.Blocks + "0._orig_mod.", StringComparison.Ordinal),
            n =>
                n.Replace(layout.Blocks, layout.Blocks.Insert(layout.Blocks.Length - 1, "._fsdp_wrapped_module"), StringComparison.Ordinal),
        ];
        foreach (var wrap in wraps)
        {
            var wrapped = new WeightNames(layout, "w", names.Select(wrap), s_none);
            Assert.All(layout.Tensors.Select(t => t.Name), t => Assert.Equal(wrap(plain.Of(t)), wrapped.Of(t)));
            if (layout.Unembedding is { } head) Assert.Equal(wrap(plain.Of(head.Name)), wrapped.Of(head.Name));
        }
    }

    [Theory, MemberData(nameof(Models))]
    public void Of_a_tied_pair_either_name_serves(string model)
    {
        var (layout, names) = Of(model);
        var (embedding, prefix) = (layout.Tensors[0].Name, names.Any(n => n == layout.Tensors[0].Name) ? "" : layout.Prefix);
        float[]? values = null;
        var folder = RandomModels.Rewrite(model, _directory["tied"], (name, shape, floats) =>
        {
            if (name == layout.Head) return null;
            if (name == prefix + embedding) (name, values) = ("_orig_mod." + layout.Head, floats);
            else name = "_orig_mod." + name;
            return SafetensorsTensor.F32(name, shape, () => floats);
        }, config => config["tie_word_embeddings"] = true);
        using var checkpoint = Checkpoint.Open(folder, Architectures.Read(folder).Layout);
        Assert.Equal(values, checkpoint.ReadFloats(embedding));
        Assert.Equal("_orig_mod." + layout.Head, checkpoint.Tensor(embedding).Entry.Name);
        foreach (var (_, check) in checkpoint.Checks()) check.Run();
    }

    [Fact]
    public void Metadata_says_which_of_two_names_of_one_tensor_was_kept()
    {
        var (layout, names) = Of("llama2");
        var kept = new WeightNames(layout, "w", names.Where(n => n != "lm_head.weight"),
            new Dictionary<string, string> { ["format"] = "pt", ["lm_head.weight"] = "model.embed_tokens.weight" });
        Assert.Equal("model.embed_tokens.weight", kept.Of("lm_head.weight"));
        Assert.Equal("model.embed_tokens.weight", kept.Of("embed_tokens.weight"));
    }

    [Fact]
    public void An_untied_model_without_its_head_is_told_of_the_key()
    {
        var folder = RandomModels.Rewrite("llama2", _directory["headless"],
            (name, shape, floats) => name == "lm_head.weight" ? null : SafetensorsTensor.F32(name, shape, () => floats),
            config => config["tie_word_embeddings"] = false);
        var message = Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder, Architectures.Read(folder).Layout)).Message;
        Assert.Contains("model.safetensors: has no tensor 'lm_head.weight'; if the embedding serves in its place, "
            + "config.json has to say so: \"tie_word_embeddings\": true.", message);
    }

    [Theory]
    [InlineData("vision.",
        "has tensor 'vision.model.layers.0.input_layernorm.weight', with 'vision.' before the names of a llama; save the model itself")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        "which is part of an adapter; merge it into its model first")]
    [InlineData("module.model.norm.weight", "has tensors 'model.norm.weight' and 'module.model.norm.weight', which are one")]
    public void What_is_no_plain_model_is_named(string added, string reason)
    {
        var (layout, names) = Of("llama2");
        var message = Assert.Throws<CheckpointException>(() =>
            new WeightNames(layout, "w", added.EndsWith('.') ? names.Select(n => added + n) : names.Append(added), s_none)).Message;
        Assert.StartsWith("w: has tensor", message);
        Assert.Contains(reason, message);
    }

    private static (CheckpointLayout Layout, IReadOnlyList<string> Names) Of(string model)
    {
        var folder = RandomModels.Checkpoint(model);
        using var file = SafetensorsFile.Open(Path.Combine(folder, CheckpointFolder.SingleFile));
        return (Architectures.Read(folder).Layout, [.. file.Tensors.Keys]);
    }
}
