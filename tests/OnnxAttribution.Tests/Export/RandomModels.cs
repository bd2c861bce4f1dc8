using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

/// <summary>The models of <c>tests/references/goldens_architectures.py</c>: 2 blocks, vocabulary 257, BOS 256, context 24.</summary>
internal static class RandomModels
{
    public static IReadOnlyList<string> Names { get; } =
        ["neox2", "neox-sequential", "llama2", "qwen2", "mistral", "qwen3", "gemma2", "gemma3", "gpt-neo", "olmo2", "opt", "phi",
            "qwen3-yarn"];

    /// <summary>Those with dictionaries at some sites, and goldens of nodes and edges.</summary>
    public static IReadOnlyList<string> WithDictionaries { get; } =
        ["neox2", "llama2", "qwen3", "gemma2", "gemma3", "gpt-neo", "olmo2", "opt", "phi"];

    /// <summary>Those that normalise by LayerNorm, which takes the mean out; the others' RMSNorm does not.</summary>
    public static IReadOnlyList<string> WithLayerNorm { get; } = ["neox2", "neox-sequential", "gpt-neo", "opt", "phi"];

    /// <summary>Those whose sublayers run in parallel.</summary>
    public static IReadOnlyList<string> Parallel { get; } = ["neox2", "phi"];

    /// <summary>Those whose logits have a soft cap.</summary>
    public static IReadOnlyList<string> Capped { get; } = ["gemma2"];

    public static string Checkpoint(string model) => Path.Combine(GoldenCase.Root, "models", model);

    public static JsonObject Config(string model) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(Checkpoint(model), "config.json")))!.AsObject();

    /// <summary>A copy with other weights or another config, without dictionaries.</summary>
    public static string Rewrite(string model, string to, Func<string, long[], float[], SafetensorsTensor?>? rewrite = null,
        Action<JsonObject>? config = null)
    {
        Directory.CreateDirectory(to);
        foreach (var from in Directory.GetFiles(Checkpoint(model)))
        {
            File.Copy(from, Path.Combine(to, Path.GetFileName(from)), overwrite: true);
        }
        if (rewrite is not null)
        {
            using var source = SafetensorsFile.Open(Path.Combine(Checkpoint(model), CheckpointFolder.SingleFile));
            SafetensorsWriter.Write(Path.Combine(to, CheckpointFolder.SingleFile),
                [.. source.Tensors.Values.Select(t => rewrite(t.Name, [.. t.Shape], source.ReadFloats(t.Name)))
                    .OfType<SafetensorsTensor>()]);
        }
        var json = Config(model);
        config?.Invoke(json);
        File.WriteAllText(Path.Combine(to, "config.json"), json.ToJsonString());
        return to;
    }
}
