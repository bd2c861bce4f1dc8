using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

/// <summary>The model of the golden cases: 2 blocks, width 16, 4 heads,
/// vocabulary 257, context 32, 40 features at each of 7 sites.</summary>
internal static class Random2
{
    public static string Checkpoint => Path.Combine(GoldenCase.Root, "models", "random2");

    /// <summary>A copy that shares no file with the original, so that a test may damage it.</summary>
    public static string Copy(string to, bool withDictionaries = false)
    {
        foreach (var from in Directory.GetFiles(Checkpoint, "*",
            withDictionaries ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly))
        {
            var file = Path.Combine(to, Path.GetRelativePath(Checkpoint, from));
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.Copy(from, file);
        }
        return to;
    }

    /// <summary>A copy with other weights.</summary>
    /// <param name="rewrite">What stands for each tensor.</param>
    public static string Rewrite(string to, Func<string, long[], float[], IEnumerable<SafetensorsTensor>> rewrite,
        Action<JsonObject>? config = null)
    {
        Copy(to);
        using (var source = SafetensorsFile.Open(Path.Combine(Checkpoint, "model.safetensors")))
        {
            SafetensorsWriter.Write(Path.Combine(to, "model.safetensors"),
                [.. source.Tensors.Values.OrderBy(t => t.Offset)
                    .SelectMany(t => rewrite(t.Name, [.. t.Shape], source.ReadFloats(t.Name)))]);
        }
        var path = Path.Combine(to, "config.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config?.Invoke(json);
        File.WriteAllText(path, json.ToJsonString());
        return to;
    }

    /// <summary>A copy whose weights are each mapped by a function.</summary>
    public static string Mapped(string to, Func<string, float[], float[]> map) =>
        Rewrite(to, (name, shape, values) => [SafetensorsTensor.F32(name, shape, () => map(name, values))]);

    /// <summary>A bundle of a checkpoint, without dictionaries.</summary>
    public static string Bundle(string checkpoint, string to, Func<ExportOptions, ExportOptions>? options = null)
    {
        var bare = new ExportOptions(checkpoint, null, to);
        BundleWriter.Write(options?.Invoke(bare) ?? bare);
        return to;
    }

    public static float[] Weight(string name)
    {
        using var file = SafetensorsFile.Open(Path.Combine(Checkpoint, "model.safetensors"));
        return file.ReadFloats(name);
    }
}
