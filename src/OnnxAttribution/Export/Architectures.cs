using System.Collections.Frozen;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>The architectures that are built in, by the model_type of their config.json.</summary>
internal static class Architectures
{
    /// <summary>By model_type, in the order of documents.</summary>
    public static IReadOnlyList<KnownArchitecture> All { get; } =
    [
        new("gpt2", "GPT-2, distilgpt2", "learned positions, LayerNorm", json => new Gpt2Architecture(Gpt2Config.Read(json))),
        new("gpt_neo", "GPT-Neo, TinyStories", "learned positions, scores that are not scaled, a window in every other layer",
            LayerNormFamily.GptNeo),
        new("gpt_neox", "Pythia, GPT-NeoX", "rotary positions on part of a head, sublayers in parallel or in sequence",
            json => new NeoxArchitecture(json)),
        new("opt", "OPT (not 350m)", "learned positions, ReLU", LayerNormFamily.Opt),
        new("phi", "Phi-1, Phi-1.5, Phi-2", "sublayers in parallel behind one norm, rotary positions on part of a head",
            LayerNormFamily.Phi),
        new("llama", "Llama 1 to 3, SmolLM", "RMSNorm, rotary positions, shared keys and values, gated MLP", LlamaFamily.Llama),
        new("mistral", "Mistral 7B", "as llama, with a window", LlamaFamily.Mistral),
        new("qwen2", "Qwen2, Qwen2.5", "as llama, with biases on queries, keys and values", LlamaFamily.Qwen2),
        new("qwen3", "Qwen3 (dense)", "as llama, with norms of queries and keys", LlamaFamily.Qwen3),
        new("olmo2", "OLMo 2", "as llama, with norms behind the sublayers instead of before, and of queries and keys", LlamaFamily.Olmo2),
        new("gemma2", "Gemma 2", "norms around the sublayers, soft caps of scores and logits, a window in every other layer",
            GemmaFamily.Gemma2),
        new("gemma3_text", "Gemma 3 (270m, 1b)",
            "norms around the sublayers and of queries and keys, a window in five layers of six",
            GemmaFamily.Gemma3),
    ];

    private static readonly FrozenDictionary<string, Func<ConfigJson, ModelArchitecture>> s_known =
        All.ToFrozenDictionary(a => a.ModelType, a => a.Read);

    /// <summary>The architecture of a Hugging Face directory.</summary>
    /// <exception cref="CheckpointException">There is no config.json, or it describes something that is not computed here.</exception>
    public static ModelArchitecture Read(string directory)
    {
        CheckpointFolder.Require(directory);
        var json = ConfigJson.Read(Path.Combine(directory, "config.json"));
        UnsupportedConfig.Refuse(json);
        return s_known.TryGetValue(json.String("model_type") ?? throw Untyped(json), out var read) ? read(json)
            : throw json.Refuse("model_type", $"only {Known} are built in; {CheckpointFolder.ExportTorch}");
    }

    // what follows a model's name in the names of its classes
    private static readonly string[] s_classes = ["LMHeadModel", "ForCausalLM", "Model"];

    private static string Known => string.Join(", ", s_known.Keys.Order(StringComparer.Ordinal).Select(k => $"'{k}'"));

    // old configs have the class only
    private static CheckpointException Untyped(ConfigJson json)
    {
        var classes = json.Strings("architectures").ToList();
        var named = classes.Select(c =>
            (Class: c, Type: s_known.Keys.FirstOrDefault(k =>
                s_classes.Any(end => c.Equals(k.Replace("_", "") + end, StringComparison.OrdinalIgnoreCase)))))
            .FirstOrDefault(c => c.Type is not null);
        return new CheckpointException(json.Path, "has no key 'model_type'; " + (named.Type is { } type
            ? $"add \"model_type\": \"{type}\", since its architectures are {DisplayText.QuotedName(named.Class)}."
            : $"add it: {Known} are "
                + $"known{(classes.Count > 0 ? $", and its architectures are {DisplayText.QuotedName(classes[0])}" : "")}."));
    }
}
