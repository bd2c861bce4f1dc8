using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>A directory as Hugging Face writes it, on a GPT-2.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(""), InlineData("transformer.")]
    public void Tensors_are_found_with_and_without_the_prefix(string prefix)
    {
        Write(prefix: prefix);
        using var checkpoint = Open(_directory.Path);
        Assert.Equal("[4, 12]", checkpoint.Tensor("h.1.attn.c_attn.weight").Entry.ShapeText);
        Assert.Equal($"{prefix}wte.weight", checkpoint.Tensor("wte.weight").Entry.Name);
        var architecture = Architectures.Read(_directory.Path);
        Assert.Equal(2, architecture.Shape.Layers);
        Assert.Equal("wte.weight", architecture.Unembedding);
        RequireFinite(checkpoint);
        Refused(() => checkpoint.Tensor("h.2.ln_1.weight"), $"has no tensor '{prefix}h.2.ln_1.weight'");
    }

    [Fact]
    public void Causal_mask_buffers_are_left_alone()
    {
        Write(extra: [Zeros("h.0.attn.bias", [1, 1, 8, 8]),
            SafetensorsTensor.F32("h.0.attn.masked_bias", [], () => (float[])[float.NegativeInfinity])]);
        using var checkpoint = Open(_directory.Path);
        RequireFinite(checkpoint);
    }

    [Fact]
    public void An_unembedding_of_its_own_is_required_and_found_when_the_config_says_so()
    {
        Write(tied: false);
        Refused(() => Open(_directory.Path), "has no tensor 'lm_head.weight'");
        Write(tied: false, extra: [Zeros("lm_head.weight", [10, 5])]);
        Refused(() => Open(_directory.Path), "tensor 'lm_head.weight' has shape [10, 5] where [10, 4] is expected");
        Write(tied: false, prefix: "transformer.", extra: [Zeros("lm_head.weight", [10, 4])]);
        using var checkpoint = Open(_directory.Path);
        Assert.Equal("lm_head.weight", Architectures.Read(_directory.Path).Unembedding);
        Assert.Equal("lm_head.weight", checkpoint.Tensor("lm_head.weight").Entry.Name);
    }

    [Fact]
    public void Every_tensor_is_missed_when_it_is_missing_and_when_its_shape_is_wrong()
    {
        foreach (var tensor in Tensors(""))
        {
            Write(change: t => t.Name == tensor.Name ? null : t);
            Refused(() => Open(_directory.Path), $"has no tensor '{tensor.Name}'");
            Write(change: t => t.Name == tensor.Name ? Zeros(t.Name, [.. t.Shape, 1]) : t);
            Refused(() => Open(_directory.Path), $"tensor '{tensor.Name}' has shape");
        }
    }

    [Fact]
    public void More_blocks_than_the_config_says_are_refused()
    {
        Write(extra: [Zeros("h.2.ln_1.weight", [4])]);
        Refused(() => Open(_directory.Path), "has tensor 'h.2.ln_1.weight' but config.json says n_layer 2");
    }

    [Fact]
    public void Weights_that_are_no_floats_are_refused()
    {
        Write(change: t => t.Name == "ln_f.bias" ? SafetensorsTensor.I64(t.Name, [4], () => new long[4]) : t);
        Refused(() => Open(_directory.Path), "tensor 'ln_f.bias' has type I64");
    }

    [Fact]
    public void A_weight_that_is_not_finite_is_found_when_asked()
    {
        Write(change: t =>
            t.Name == "h.1.mlp.c_fc.bias" ? SafetensorsTensor.F32(t.Name, [16], () => Enumerable.Repeat(float.NaN, 16).ToArray()) : t);
        using var checkpoint = Open(_directory.Path);
        Refused(() => RequireFinite(checkpoint), "tensor 'h.1.mlp.c_fc.bias' of shape [16] has a NaN or infinity at flat index 0");
    }

    [Fact]
    public void A_missing_part_is_named()
    {
        Refused(() => Open(Path.Combine(_directory.Path, "none")), "there is no such directory");
        Refused(() => Open(_directory.Path), "config.json: there is no such file");
        Write();
        File.Delete(Path.Combine(_directory.Path, "model.safetensors"));
        Refused(() => Open(_directory.Path), "has no model.safetensors");
        File.WriteAllText(Path.Combine(_directory.Path, "model.safetensors.index.json"), "{}");
        Refused(() => Open(_directory.Path), "has no key 'weight_map'");
    }

    private static Checkpoint Open(string directory) => Checkpoint.Open(directory, Architectures.Read(directory).Layout);

    private static void RequireFinite(Checkpoint checkpoint)
    {
        foreach (var (_, check) in checkpoint.Checks()) check.Run();
    }

    private void Write(string prefix = "", bool tied = true, SafetensorsTensor[]? extra = null,
        Func<SafetensorsTensor, SafetensorsTensor?>? change = null)
    {
        File.WriteAllText(Path.Combine(_directory.Path, "config.json"),
            """{"model_type":"gpt2","n_layer":2,"n_head":2,"n_embd":4,"n_positions":8,"vocab_size":"""
            + $$"""10,"tie_word_embeddings":{{(tied ? "true" : "false")}}}""");
        SafetensorsWriter.Write(Path.Combine(_directory.Path, "model.safetensors"),
            Tensors(prefix).Select(t => change is null ? t : change(t)).OfType<SafetensorsTensor>().Concat(extra ?? []));
    }

    private static IEnumerable<SafetensorsTensor> Tensors(string prefix)
    {
        yield return Zeros($"{prefix}wte.weight", [10, 4]);
        yield return Zeros($"{prefix}wpe.weight", [8, 4]);
        yield return Zeros($"{prefix}ln_f.weight", [4]);
        yield return Zeros($"{prefix}ln_f.bias", [4]);
        foreach (var block in (string[])[$"{prefix}h.0.", $"{prefix}h.1."])
        {
            foreach (var (name, shape) in ((string, long[])[])[
                ("ln_1.weight", [4]), ("ln_1.bias", [4]), ("attn.c_attn.weight", [4, 12]), ("attn.c_attn.bias", [12]),
                ("attn.c_proj.weight", [4, 4]), ("attn.c_proj.bias", [4]), ("ln_2.weight", [4]), ("ln_2.bias", [4]),
                ("mlp.c_fc.weight", [4, 16]), ("mlp.c_fc.bias", [16]), ("mlp.c_proj.weight", [16, 4]), ("mlp.c_proj.bias", [4])])
            {
                yield return Zeros(block + name, shape);
            }
        }
    }

    private static SafetensorsTensor Zeros(string name, long[] shape) =>
        SafetensorsTensor.F32(name, shape, () => new float[shape.Aggregate(1L, (count, size) => count * size)]);

    private void Refused(Action act, string problem)
    {
        var message = Assert.Throws<CheckpointException>(act).Message;
        Assert.StartsWith(_directory.Path, message);
        Assert.Contains(problem, message);
    }
}
