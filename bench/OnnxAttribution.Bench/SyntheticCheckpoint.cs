using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;

namespace OnnxAttribution.Bench;

/// <summary>
/// Writes seeded random checkpoints and dictionaries in the layouts of Hugging Face and SAELens, one tensor at a time so that memory stays
/// low.
/// </summary>
internal static class SyntheticCheckpoint
{
    private static readonly string[] s_attention = ["c_attn", "query_key_value", "q_proj", "k_proj", "v_proj"];

    /// <summary>
    /// config.json, model.safetensors in the layout and number type that the architecture is published in, and a vocabulary in which every
    /// byte is a token.
    /// </summary>
    public static void WriteModel(string directory, SyntheticShape shape)
    {
        Directory.CreateDirectory(directory);
        WriteJson(Path.Combine(directory, "config.json"), Config(shape));
        WriteVocabulary(directory, shape.Vocabulary);
        var model = Architectures.Read(directory);
        var random = new Gaussian(shape.Seed);
        // every norm scales by 1, whether it is 1 + w or w
        var norms = model.Blocks.SelectMany(b => b.Norms).Append(model.LastNorm).ToDictionary(n => n.Weight, n => 1 - n.Offset);
        var writers = model.Blocks.SelectMany(b => b.Writers).Select(l => l.Weight).ToHashSet();
        // GPT-2's initialisation: 0.02, and projections into the residual stream scaled down by √(2L); queries and keys larger, so that
        // heads attend to something
        float Scale(string name) => shape.Gain * Usual(name);
        float Usual(string name) => writers.Contains(name) ? 0.02f / MathF.Sqrt(2 * shape.Layers) : name == "wpe.weight" ? 0.01f
            : s_attention.Any(name.Contains) ? 0.05f : 0.02f;
        // GPT-2 is published as the bare model, the others with their head
        var prefix = shape.ModelType == "gpt2" ? "" : model.Layout.Prefix;
        var tensors = model.Layout.Tensors.Select(t => (Name: prefix + t.Name, Spec: t))
            .Concat(model.OwnUnembedding is { } u ? [(u.Name, u)] : Array.Empty<(string Name, TensorSpec Spec)>());
        SafetensorsWriter.Write(Path.Combine(directory, CheckpointFolder.SingleFile), tensors.Select(t =>
        {
            var count = t.Spec.Shape.Aggregate(1L, (a, b) => a * b);
            float[] Values() => norms.TryGetValue(t.Spec.Name, out var scale) ? [.. Enumerable.Repeat(scale, (int)count)]
                : t.Spec.Name.EndsWith(".bias", StringComparison.Ordinal) ? new float[count] : random.Draw(count, Scale(t.Spec.Name));
            return Stored(shape.ModelType, t.Name, t.Spec.Shape, Values);
        }));
    }

    private static JsonObject Config(SyntheticShape shape) => shape.ModelType switch
    {
        "gpt_neox" => NeoxConfig(shape),
        "llama" => LlamaConfig(shape),
        "gemma2" => GemmaConfig(shape, ("sliding_window", 4096), ("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0)),
        "gemma3_text" => GemmaConfig(shape, ("sliding_window", 512), ("rope_theta", 1e6), ("rope_local_base_freq", 1e4)),
        "qwen3" => Qwen3Config(shape),
        _ => Gpt2Config(shape),
    };

    private static JsonObject NeoxConfig(SyntheticShape shape) => new()
    {
        ["model_type"] = "gpt_neox",
        ["num_hidden_layers"] = shape.Layers,
        ["num_attention_heads"] = shape.Heads,
        ["hidden_size"] = shape.Width,
        ["intermediate_size"] = 4 * shape.Width,
        ["max_position_embeddings"] = shape.Context,
        ["vocab_size"] = shape.Vocabulary,
        ["layer_norm_eps"] = 1e-5,
        ["hidden_act"] = "gelu",
        ["rotary_pct"] = 0.25,
        ["rotary_emb_base"] = 10000,
        ["use_parallel_residual"] = true,
        ["tie_word_embeddings"] = false,
    };

    // what Llama and its kin call their sizes
    private static JsonObject Sizes(SyntheticShape shape) => new()
    {
        ["model_type"] = shape.ModelType,
        ["num_hidden_layers"] = shape.Layers,
        ["num_attention_heads"] = shape.Heads,
        ["num_key_value_heads"] = shape.SharedHeads == 0 ? shape.Heads : shape.SharedHeads,
        ["head_dim"] = shape.HeadWidth == 0 ? null : shape.HeadWidth,
        ["hidden_size"] = shape.Width,
        ["intermediate_size"] = shape.InnerWidth == 0 ? 4 * shape.Width : shape.InnerWidth,
        ["max_position_embeddings"] = shape.Context,
        ["vocab_size"] = shape.Vocabulary,
        ["tie_word_embeddings"] = true,
    };

    private static JsonObject LlamaConfig(SyntheticShape shape)
    {
        var config = Sizes(shape);
        config["rms_norm_eps"] = 1e-5;
        config["hidden_act"] = "silu";
        config["rope_theta"] = 500000.0;
        config["rope_scaling"] = new JsonObject
        {
            ["rope_type"] = "llama3",
            ["factor"] = 32.0,
            ["low_freq_factor"] = 1.0,
            ["high_freq_factor"] = 4.0,
            ["original_max_position_embeddings"] = 8192,
        };
        return config;
    }

    private static JsonObject GemmaConfig(SyntheticShape shape, params (string Key, double Value)[] own)
    {
        var config = Sizes(shape);
        config["rms_norm_eps"] = 1e-6;
        config["hidden_activation"] = "gelu_pytorch_tanh";
        config["query_pre_attn_scalar"] = 256;
        // JSON's integers are not written as 512.0
        foreach (var (key, value) in own) config[key] = value == (int)value ? (int)value : value;
        return config;
    }

    private static JsonObject Qwen3Config(SyntheticShape shape)
    {
        var config = Sizes(shape);
        config["rms_norm_eps"] = 1e-6;
        config["hidden_act"] = "silu";
        config["rope_theta"] = 1000000.0;
        return config;
    }

    private static JsonObject Gpt2Config(SyntheticShape shape) => new()
    {
        ["model_type"] = "gpt2",
        ["n_layer"] = shape.Layers,
        ["n_head"] = shape.Heads,
        ["n_embd"] = shape.Width,
        ["n_positions"] = shape.Context,
        ["vocab_size"] = shape.Vocabulary,
        ["layer_norm_epsilon"] = 1e-5,
        ["activation_function"] = "gelu_new",
        ["tie_word_embeddings"] = true,
    };

    // Pythia is published in float16; Llama, Gemma 3 and Qwen3 in bfloat16
    private static SafetensorsTensor Stored(string modelType, string name, long[] shape, Func<float[]> make) => modelType switch
    {
        "gpt_neox" => SafetensorsTensor.F16(name, shape, () => Array.ConvertAll(make(), v => (Half)v)),
        "llama" or "gemma3_text" or "qwen3" => SafetensorsTensor.BF16(name, shape, () => make()),
        _ => SafetensorsTensor.F32(name, shape, () => make()),
    };

    /// <summary>
    /// A ReLU dictionary with unit decoder rows, of which about <see cref="SyntheticShape.ActiveFeatures"/> features are active on inputs
    /// of norm <paramref name="inputNorm"/>.
    /// </summary>
    /// <param name="pool">Random numbers that all dictionaries share, each beginning at a place of its own.</param>
    public static void WriteDictionary(string directory, string site, SyntheticShape shape, double inputNorm, Pool pool)
    {
        Directory.CreateDirectory(directory);
        int d = shape.Width, n = shape.Features;
        var scale = 1 / MathF.Sqrt(d);
        // pre-activations are normal with deviation |x| · scale: the threshold that leaves the wanted share
        var threshold = (float)(InverseNormal(1 - ((double)shape.ActiveFeatures / n)) * inputNorm * scale);
        SafetensorsWriter.Write(Path.Combine(directory, "sae_weights.safetensors"),
        [
            SafetensorsTensor.F32("W_enc", [d, n], () => pool.From(site + "/enc", (long)d * n, scale)),
            SafetensorsTensor.F32("b_enc", [n], () => Enumerable.Repeat(-threshold, n).ToArray()),
            SafetensorsTensor.F32("W_dec", [n, d], () => pool.From(site + "/dec", (long)n * d, scale)),
            SafetensorsTensor.F32("b_dec", [d], () => new float[d]),
        ]);
        WriteJson(Path.Combine(directory, "cfg.json"), new JsonObject
        {
            ["architecture"] = "standard",
            ["d_in"] = d,
            ["d_sae"] = n,
            ["dtype"] = "float32",
            ["apply_b_dec_to_input"] = true,
            ["normalize_activations"] = "none",
            ["reshape_activations"] = "none",
            ["metadata"] = new JsonObject
            {
                ["model_name"] = "synthetic",
                ["hook_name"] = site,
                ["prepend_bos"] = true,
                ["context_size"] = shape.Context,
            },
        });
    }

    private static void WriteVocabulary(string directory, int size)
    {
        // GPT-2's byte symbols, then fillers, then the end of text
        static IEnumerable<int> To(int first, int last) => Enumerable.Range(first, last - first + 1);
        var symbols = To('!', '~').Concat(To(0xA1, 0xAC)).Concat(To(0xAE, 0xFF)).ToList();
        var others = Enumerable.Range(0, 256).Except(symbols).Count();
        var vocabulary = new JsonObject();
        foreach (var c in symbols.Concat(Enumerable.Range(256, others))) vocabulary[((char)c).ToString()] = vocabulary.Count;
        vocabulary["qz"] = vocabulary.Count;   // a tokenizer wants one merge at least
        while (vocabulary.Count < size - 1) vocabulary[$"filler{vocabulary.Count}"] = vocabulary.Count;
        vocabulary["<|endoftext|>"] = vocabulary.Count;
        WriteJson(Path.Combine(directory, "vocab.json"), vocabulary);
        File.WriteAllText(Path.Combine(directory, "merges.txt"), "#version: 0.2\nq z\n");
    }

    private static void WriteJson(string path, JsonObject json) => File.WriteAllText(path, json.ToJsonString() + "\n");

    // bisection: exact enough for a threshold
    private static double InverseNormal(double p)
    {
        double low = -8, high = 8;
        while (high - low > 1e-9)
        {
            var middle = (low + high) / 2;
            if (MathNet.Numerics.SpecialFunctions.Erfc(-middle / Math.Sqrt(2)) / 2 < p) low = middle;
            else high = middle;
        }
        return low;
    }

    /// <summary>
    /// Normal numbers made once; tensors begin at different places of it, since drawing billions would take longer than what is measured.
    /// </summary>
    internal sealed class Pool(int size, int seed)
    {
        private readonly float[] _numbers = new Gaussian(seed + 1).Draw(size, 1);

        public float[] From(string name, long count, float scale)
        {
            var result = new float[count];
            var at = (int)(name.Aggregate(5381L, (h, c) => ((h * 33) + c) & 0x7FFFFFFF) % _numbers.Length);
            for (long done = 0; done < count;)
            {
                var n = (int)Math.Min(count - done, _numbers.Length - at);
                System.Numerics.Tensors.TensorPrimitives.Multiply(_numbers.AsSpan(at, n), scale, result.AsSpan((int)done, n));
                done += n;
                at = 0;
            }
            return result;
        }
    }

    private sealed class Gaussian(int seed)
    {
        private readonly Random _random = new(seed);

        // the sum of four uniforms: near enough to normal, and quick
        public float[] Draw(long count, float scale)
        {
            var result = new float[count];
            var bytes = new byte[1 << 16];
            const float unit = 1.7320508f / 65536;
            for (long i = 0; i < count;)
            {
                _random.NextBytes(bytes);
                for (var b = 0; b + 8 <= bytes.Length && i < count; b += 8, i++)
                {
                    int At(int offset) => BitConverter.ToUInt16(bytes, b + offset);
                    var sum = At(0) + At(2) + At(4) + At(6);
                    result[i] = (sum - 131070) * unit * scale;
                }
            }
            return result;
        }
    }
}
