using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Export;

/// <summary>bundle.json: what a bundle holds, so that nothing has to be guessed from file names.</summary>
internal sealed record BundleManifest
{
    public const string FileName = "bundle.json";
    public const int CurrentVersion = 1;

    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NewLine = "\n",
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    public required int FormatVersion { get; init; }
    public required string Name { get; init; }
    public required string Architecture { get; init; }
    public required int NLayers { get; init; }
    public required int DModel { get; init; }
    public required int NHeads { get; init; }
    public required int DVocab { get; init; }
    public required int NCtx { get; init; }
    public required WeightProcessingRecord WeightProcessing { get; init; }

    /// <summary>In the order of computation.</summary>
    public required IReadOnlyList<string> Sites { get; init; }
    public required IReadOnlyList<string> Hooks { get; init; }
    public required IReadOnlyList<DictionaryRecord> Dictionaries { get; init; }

    /// <summary>Whether prompts begin with BOS where no dictionary says so; left out: they do.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? PrependBos { get; init; }

    /// <summary>Every file that the bundle's numbers depend on, by its path in the bundle.</summary>
    public required IReadOnlyDictionary<string, FileRecord> Files { get; init; }

    internal sealed record WeightProcessingRecord(bool FoldLayernorm, bool CenterWritingWeights, bool CenterUnembed, bool FoldValueBiases = false);

    /// <param name="Site">The site as the bundle names it; <paramref name="HookName"/> is what cfg.json says.</param>
    /// <param name="Path">Directory in the bundle.</param>
    internal sealed record DictionaryRecord(string Site, string HookName, string Path, string Architecture, int DSae, int? K, string NormalizeActivations, bool PrependBos);

    internal sealed record FileRecord(long Bytes, string Sha256);

    private sealed record VersionRecord(int FormatVersion);

    public string ToJson() => JsonSerializer.Serialize(this, s_json) + "\n";

    public static BundleManifest Read(string directory)
    {
        var path = Path.Combine(directory, FileName);
        if (!Directory.Exists(directory)) throw new BundleException($"there is no model bundle at {directory}; make one with 'onnx-attribution export --checkpoint DIR --out {directory}'");
        if (!File.Exists(path)) throw new BundleException($"{directory} has no {FileName}, so it is no model bundle; make one with 'onnx-attribution export --checkpoint DIR --out {directory}'");
        try
        {
            var text = File.ReadAllText(path);
            // the version first: another format may have other keys
            if (JsonSerializer.Deserialize<VersionRecord>(text, s_json) is { FormatVersion: var version } && version != CurrentVersion)
            {
                throw new BundleException($"{path} has format version {version}, this program reads {CurrentVersion}; export the bundle again");
            }
            return JsonSerializer.Deserialize<BundleManifest>(text, s_json) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new BundleException($"{path} is damaged ({e.Message.Split('\n')[0]}); export the bundle again", e);
        }
    }
}
