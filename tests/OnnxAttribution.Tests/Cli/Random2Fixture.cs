using OnnxAttribution.Checkpoints;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The small random model of the goldens (2 layers, width 16,
/// a token per byte, context 32), exported once by the command line.</summary>
public sealed class Random2Fixture : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public Random2Fixture() => Verb.Run("export", "--checkpoint", Checkpoint, "--out", Bundle, "--no-check").Done();

    internal static string Checkpoint => Path.Combine(GoldenCase.Root, "models", "random2");

    internal string Bundle => _directory["random2"];

    /// <summary>A copy of the checkpoint whose model.safetensors was changed, without dictionaries.</summary>
    internal static string ChangedCheckpoint(TemporaryDirectory at, string tensor, Action<float[]> change)
    {
        var copy = Directory.CreateDirectory(at["changed"]).FullName;
        foreach (var name in (string[])["config.json", "vocab.json", "merges.txt"])
        {
            File.Copy(Path.Combine(Checkpoint, name), Path.Combine(copy, name));
        }
        using var file = SafetensorsFile.Open(Path.Combine(Checkpoint, "model.safetensors"));
        Assert.Contains(tensor, file.Tensors.Keys);
        SafetensorsWriter.Write(Path.Combine(copy, "model.safetensors"),
            file.Tensors.Values.Select(t => SafetensorsTensor.F32(t.Name, [.. t.Shape], () =>
            {
                var values = file.ReadFloats(t.Name);
                if (t.Name == tensor) change(values);
                return values;
            })).ToList());
        return copy;
    }

    /// <summary>A folder with one ReLU dictionary of 4 features.</summary>
    internal static string Dictionary(TemporaryDirectory at, string hook, int width)
    {
        var folder = Directory.CreateDirectory(at["dictionaries/one"]).FullName;
        File.WriteAllText(Path.Combine(folder, "cfg.json"),
            $$"""{"architecture": "standard", "d_in": {{width}}, "d_sae": 4, "dtype": "float32", "hook_name": "{{hook}}","""
            + """ "apply_b_dec_to_input": false, "normalize_activations": "none", "prepend_bos": true}""");
        SafetensorsTensor Zeros(string name, params long[] shape) =>
            SafetensorsTensor.F32(name, shape, () => new float[shape.Aggregate(1L, (a, b) => a * b)]);
        SafetensorsWriter.Write(Path.Combine(folder, "sae_weights.safetensors"),
            [Zeros("W_enc", width, 4), Zeros("b_enc", 4), Zeros("W_dec", 4, width), Zeros("b_dec", width)]);
        return at["dictionaries"];
    }

    public void Dispose() => _directory.Dispose();
}
