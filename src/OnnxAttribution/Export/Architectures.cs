using System.Collections.Frozen;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>The architectures that are built in, by the model_type of their config.json.</summary>
internal static class Architectures
{
    private static readonly FrozenDictionary<string, Func<ConfigJson, ModelArchitecture>> s_known =
        new Dictionary<string, Func<ConfigJson, ModelArchitecture>>
        {
            ["gpt2"] = json => new Gpt2Architecture(Gpt2Config.Read(json)),
            ["gpt_neox"] = json => new NeoxArchitecture(json),
            ["llama"] = LlamaArchitecture.Llama,
            ["mistral"] = LlamaArchitecture.Mistral,
            ["qwen2"] = LlamaArchitecture.Qwen2,
        }.ToFrozenDictionary();

    /// <summary>The architecture of a Hugging Face directory.</summary>
    /// <exception cref="CheckpointException">There is no config.json, or it describes something that is not computed here.</exception>
    public static ModelArchitecture Read(string directory)
    {
        CheckpointFolder.Require(directory);
        var json = ConfigJson.Read(Path.Combine(directory, "config.json"));
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
