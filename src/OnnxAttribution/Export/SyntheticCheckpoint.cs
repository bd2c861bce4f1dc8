using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>Writes seeded random checkpoints and dictionaries in the layouts of Hugging Face and SAELens, one tensor at a time so that memory stays low.</summary>
internal static class SyntheticCheckpoint
{
    private const int Seed = 20240913;

    /// <summary>config.json, model.safetensors (float32), and a vocabulary in which every byte is a token.</summary>
    public static void WriteModel(string directory, SyntheticShape shape)
    {
        Directory.CreateDirectory(directory);
        long d = shape.Width, v = shape.Vocabulary;
        var random = new Gaussian(Seed);
        // GPT-2's initialisation: 0.02, and projections into the residual stream scaled down by √(2L)
        var projection = 0.02f / MathF.Sqrt(2 * shape.Layers);
        var tensors = new List<SafetensorsTensor>
        {
            Random("wte.weight", [v, d], 0.02f), Random("wpe.weight", [shape.Context, d], 0.01f), Ones("ln_f.weight"), Zeros("ln_f.bias", d),
        };
        for (var l = 0; l < shape.Layers; l++)
        {
            tensors.AddRange([
                Ones($"h.{l}.ln_1.weight"), Zeros($"h.{l}.ln_1.bias", d), Random($"h.{l}.attn.c_attn.weight", [d, 3 * d], 0.05f), Zeros($"h.{l}.attn.c_attn.bias", 3 * d),
                Random($"h.{l}.attn.c_proj.weight", [d, d], projection), Zeros($"h.{l}.attn.c_proj.bias", d),
                Ones($"h.{l}.ln_2.weight"), Zeros($"h.{l}.ln_2.bias", d), Random($"h.{l}.mlp.c_fc.weight", [d, 4 * d], 0.02f), Zeros($"h.{l}.mlp.c_fc.bias", 4 * d),
                Random($"h.{l}.mlp.c_proj.weight", [4 * d, d], projection), Zeros($"h.{l}.mlp.c_proj.bias", d),
            ]);
        }
        SafetensorsWriter.Write(Path.Combine(directory, "model.safetensors"), tensors);
        WriteVocabulary(directory, shape.Vocabulary);
        WriteJson(Path.Combine(directory, "config.json"), new JsonObject
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
        });

        SafetensorsTensor Random(string name, long[] size, float scale) => SafetensorsTensor.F32(name, size, () => random.Draw(size.Aggregate(1L, (a, b) => a * b), scale));
        SafetensorsTensor Ones(string name) => SafetensorsTensor.F32(name, [d], () => Enumerable.Repeat(1f, (int)d).ToArray());
        SafetensorsTensor Zeros(string name, long n) => SafetensorsTensor.F32(name, [n], () => new float[n]);
    }

    /// <summary>A ReLU dictionary with unit decoder rows, of which about <see cref="SyntheticShape.ActiveFeatures"/> features are active on inputs of norm <paramref name="inputNorm"/>.</summary>
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
            ["metadata"] = new JsonObject { ["model_name"] = "synthetic", ["hook_name"] = site, ["prepend_bos"] = true, ["context_size"] = shape.Context },
        });
    }

    private static void WriteVocabulary(string directory, int size)
    {
        // GPT-2's byte symbols, then fillers, then the end of text
        var symbols = Enumerable.Range('!', '~' - '!' + 1).Concat(Enumerable.Range(0xA1, 0xAC - 0xA1 + 1)).Concat(Enumerable.Range(0xAE, 0xFF - 0xAE + 1)).ToList();
        var others = Enumerable.Range(0, 256).Except(symbols).Count();
        var vocabulary = new JsonObject();
        foreach (var c in symbols.Concat(Enumerable.Range(256, others))) vocabulary[((char)c).ToString()] = vocabulary.Count;
        vocabulary["qz"] = vocabulary.Count;   // a tokenizer wants one merge at least
        while (vocabulary.Count < size - 1) vocabulary[$"filler{vocabulary.Count}"] = vocabulary.Count;
        vocabulary["<|endoftext|>"] = vocabulary.Count;
        WriteJson(Path.Combine(directory, "vocab.json"), vocabulary);
        File.WriteAllText(Path.Combine(directory, "merges.txt"), "#version: 0.2\nq z\n");
    }

    private static void WriteJson(string path, JsonObject json) => File.WriteAllText(path, json.ToJsonString(new JsonSerializerOptions { WriteIndented = false }) + "\n");

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

    /// <summary>Normal numbers made once; tensors begin at different places of it, since drawing billions would take longer than what is measured.</summary>
    internal sealed class Pool(int size)
    {
        private readonly float[] _numbers = new Gaussian(Seed + 1).Draw(size, 1);

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
                    var sum = BitConverter.ToUInt16(bytes, b) + BitConverter.ToUInt16(bytes, b + 2) + BitConverter.ToUInt16(bytes, b + 4) + BitConverter.ToUInt16(bytes, b + 6);
                    result[i] = (sum - 131070) * unit * scale;
                }
            }
            return result;
        }
    }
}
