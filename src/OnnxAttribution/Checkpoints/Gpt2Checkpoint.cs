namespace OnnxAttribution.Checkpoints;

/// <summary>A GPT-2 as Hugging Face saves it: a directory with <c>config.json</c> and <c>model.safetensors</c>. Every tensor's shape is checked
/// against the config when it is opened; values are not (<see cref="Check"/>). Owns the file; who opens a checkpoint disposes it.</summary>
internal sealed class Gpt2Checkpoint : IDisposable
{
    private readonly string _prefix;

    private Gpt2Checkpoint(string directory, Gpt2Config config, SafetensorsFile file)
    {
        (Directory, Config, File) = (directory, config, file);
        _prefix = file.Tensors.ContainsKey("transformer.wte.weight") ? "transformer." : "";
        foreach (var (name, shape) in Shapes(config))
            RequireFloats(file.Require(_prefix + name, shape));
        if (HasLmHead)
            RequireFloats(file.Require("lm_head.weight", config.VocabularySize, config.Width));
        if (file.Tensors.Keys.FirstOrDefault(name => name.StartsWith($"{_prefix}h.{config.Layers}.", StringComparison.Ordinal)) is { } surplus)
            throw new CheckpointException(file.Path,
                $"has tensor {CheckpointException.Quote(surplus)} but config.json says n_layer {config.Layers}; "
                + "take the config.json that belongs to it.");
    }

    public string Directory { get; }

    public Gpt2Config Config { get; }

    public SafetensorsFile File { get; }

    /// <summary>True if the unembedding is a tensor of its own, <c>lm_head.weight</c> [vocabulary, width];
    /// false if it is <c>wte.weight</c>.</summary>
    public bool HasLmHead => !Config.TieWordEmbeddings;

    /// <summary>Opens a directory.</summary>
    /// <exception cref="CheckpointException">A file is missing or broken, the model is not supported, or config and weights disagree.</exception>
    public static Gpt2Checkpoint Open(string directory)
    {
        if (!System.IO.Directory.Exists(directory))
            throw new CheckpointException(directory, "there is no such directory; give the directory that holds config.json and model.safetensors.");
        var config = Gpt2Config.Read(Path.Combine(directory, "config.json"));
        var path = Path.Combine(directory, "model.safetensors");
        if (!System.IO.File.Exists(path))
            throw new CheckpointException(directory, System.IO.File.Exists($"{path}.index.json")
                ? "its weights are split into shards (model.safetensors.index.json), which is not supported; save them as one model.safetensors."
                : "has no model.safetensors; download it, or convert pytorch_model.bin to safetensors.");
        var file = SafetensorsFile.Open(path);
        try
        {
            return new Gpt2Checkpoint(directory, config, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A tensor by its name without <c>transformer.</c>: <c>wte.weight</c>, <c>h.0.attn.c_attn.weight</c> (Conv1D: [in, out]),
    /// <c>lm_head.weight</c>.</summary>
    /// <returns>The entry; its <see cref="TensorEntry.Name"/> is the key that <see cref="File"/> knows.</returns>
    public TensorEntry Tensor(string shortName)
    {
        var name = shortName == "lm_head.weight" ? shortName : _prefix + shortName;
        return File.Tensors.TryGetValue(name, out var entry) ? entry : throw new CheckpointException(File.Path,
            $"has no tensor {CheckpointException.Quote(name)}; a GPT-2 of this config has none of that name.");
    }

    /// <summary>What reads every weight once, and passes if all are finite numbers.</summary>
    public WeightCheck Check => new(File, [.. Shapes(Config).Select(t => _prefix + t.Name), .. HasLmHead ? ["lm_head.weight"] : Array.Empty<string>()]);

    public void Dispose() => File.Dispose();

    /// <summary>The tensors a GPT-2 is made of. The causal-mask buffers <c>attn.bias</c> and <c>attn.masked_bias</c> are no weights and are
    /// left alone.</summary>
    private static IEnumerable<(string Name, long[] Shape)> Shapes(Gpt2Config config)
    {
        long d = config.Width, inner = config.InnerWidth;
        yield return ("wte.weight", [config.VocabularySize, d]);
        yield return ("wpe.weight", [config.Positions, d]);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            yield return ($"h.{layer}.ln_1.weight", [d]);
            yield return ($"h.{layer}.ln_1.bias", [d]);
            yield return ($"h.{layer}.attn.c_attn.weight", [d, 3 * d]);
            yield return ($"h.{layer}.attn.c_attn.bias", [3 * d]);
            yield return ($"h.{layer}.attn.c_proj.weight", [d, d]);
            yield return ($"h.{layer}.attn.c_proj.bias", [d]);
            yield return ($"h.{layer}.ln_2.weight", [d]);
            yield return ($"h.{layer}.ln_2.bias", [d]);
            yield return ($"h.{layer}.mlp.c_fc.weight", [d, inner]);
            yield return ($"h.{layer}.mlp.c_fc.bias", [inner]);
            yield return ($"h.{layer}.mlp.c_proj.weight", [inner, d]);
            yield return ($"h.{layer}.mlp.c_proj.bias", [d]);
        }
        yield return ("ln_f.weight", [d]);
        yield return ("ln_f.bias", [d]);
    }

    private void RequireFloats(TensorEntry entry)
    {
        if (!entry.Type.IsFloat())
            throw new CheckpointException(File.Path,
                $"tensor {CheckpointException.Quote(entry.Name)} has type {entry.Type}; save the weights as F32, F16, BF16 or F64.");
    }
}
