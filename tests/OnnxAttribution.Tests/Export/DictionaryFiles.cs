using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Export;

/// <summary>A SAELens dictionary in memory, to be made at random or read, changed and written.</summary>
internal sealed class DictionaryFiles
{
    private readonly Dictionary<string, float[]> _tensors = [];
    private readonly JsonObject _config;

    private DictionaryFiles(JsonObject config) => _config = config;

    /// <summary>cfg.json, which may be changed.</summary>
    public JsonObject Config => _config;

    public int Width => (int)_config["d_in"]!;
    public int Features => (int)_config["d_sae"]!;

    /// <summary>W_enc [d, n], b_enc [n], W_dec [n, d], b_dec [d].</summary>
    public float[] this[string tensor]
    {
        get => _tensors[tensor];
        set => _tensors[tensor] = value;
    }

    /// <summary>A ReLU dictionary with unit decoder rows.</summary>
    public static DictionaryFiles Random(string site, int width, int features, int seed)
    {
        var random = new Random(seed);
        float[] Draw(int count, float scale) => [.. Enumerable.Range(0, count).Select(_ => ((2 * random.NextSingle()) - 1) * scale)];
        var unit = MathF.Sqrt(3f / width);
        return new DictionaryFiles(new JsonObject
        {
            ["architecture"] = "standard",
            ["d_in"] = width,
            ["d_sae"] = features,
            ["apply_b_dec_to_input"] = true,
            ["normalize_activations"] = "none",
            ["metadata"] = new JsonObject { ["hook_name"] = site, ["prepend_bos"] = true },
        })
        {
            ["W_enc"] = Draw(width * features, unit),
            ["b_enc"] = Draw(features, 0.1f),
            ["W_dec"] = Draw(features * width, unit),
            ["b_dec"] = Draw(width, 0.1f),
        };
    }

    public static DictionaryFiles Read(string directory)
    {
        using var file = SafetensorsFile.Open(Path.Combine(directory, "sae_weights.safetensors"));
        var result = new DictionaryFiles(JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "cfg.json")))!.AsObject());
        foreach (var name in file.Tensors.Keys) result[name] = file.ReadFloats(name);
        return result;
    }

    /// <summary>The same with another entry among what it says of its training.</summary>
    /// <param name="json">Its value.</param>
    public DictionaryFiles With(string key, string json)
    {
        _config["metadata"]![key] = JsonNode.Parse(json);
        return this;
    }

    /// <summary>The same dictionary with its features in another order: feature i is <paramref name="order"/>[i] of this one.</summary>
    public DictionaryFiles Permuted(int[] order)
    {
        int d = Width, n = Features;
        return new DictionaryFiles(_config.DeepClone().AsObject())
        {
            ["W_enc"] = [.. Enumerable.Range(0, d * n).Select(i => this["W_enc"][(i / n * n) + order[i % n]])],
            ["b_enc"] = [.. order.Select(i => this["b_enc"][i])],
            ["W_dec"] = [.. order.SelectMany(i => this["W_dec"].AsSpan(i * d, d).ToArray())],
            ["b_dec"] = this["b_dec"],
        };
    }

    public void Write(string directory)
    {
        Directory.CreateDirectory(directory);
        long d = Width, n = Features;
        var shapes = new Dictionary<string, long[]> { ["W_enc"] = [d, n], ["b_enc"] = [n], ["W_dec"] = [n, d], ["b_dec"] = [d] };
        SafetensorsWriter.Write(Path.Combine(directory, "sae_weights.safetensors"),
            [.. shapes.Select(s => SafetensorsTensor.F32(s.Key, s.Value, () => this[s.Key]))]);
        File.WriteAllText(Path.Combine(directory, "cfg.json"), _config.ToJsonString());
    }
}
