using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace OnnxAttribution.Store;

/// <summary>How run.json and the metadata of tables are written and read, made at compile time. Names are in snake case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(GraphRunRecord)), JsonSerializable(typeof(MergedRunRecord)), JsonSerializable(typeof(AblationRunRecord))]
[JsonSerializable(typeof(RunAddition)), JsonSerializable(typeof(CircuitMetadata)), JsonSerializable(typeof(CurveMetadata))]
[JsonSerializable(typeof(FeatureMetadata)), JsonSerializable(typeof(DatasetRecord)), JsonSerializable(typeof(ClusterRecord))]
[JsonSerializable(typeof(LensRecord))]
[JsonSerializable(typeof(PatchRecord))]
internal sealed partial class RunJson : JsonSerializerContext
{
    /// <summary>Prompts stay readable: only what JSON demands is escaped.</summary>
    private static readonly JsonSerializerOptions s_readable = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The text of a file of JSON.</summary>
    public static string Written(JsonNode json) => json.ToJsonString(s_readable) + "\n";

    /// <summary>A run's record as the object that run.json is.</summary>
    public static JsonObject ToObject(RunRecord record) => JsonSerializer.SerializeToNode(record, record switch
    {
        MergedRunRecord _ => Default.MergedRunRecord,
        AblationRunRecord _ => Default.AblationRunRecord,
        _ => Default.GraphRunRecord,
    })!.AsObject();

    /// <summary>What clusters.json is.</summary>
    public static JsonObject ToObject(ClusterRecord record) => JsonSerializer.SerializeToNode(record, Default.ClusterRecord)!.AsObject();

    /// <summary>What patching.json is.</summary>
    public static JsonObject ToObject(PatchRecord record) => JsonSerializer.SerializeToNode(record, Default.PatchRecord)!.AsObject();

    /// <summary>The record of a patching.json.</summary>
    /// <exception cref="JsonException">A value is not what it has to be, or is missing.</exception>
    public static PatchRecord ToPatchRecord(JsonObject json) => json.Deserialize(Default.PatchRecord)!;

    /// <summary>The record of a run.json.</summary>
    /// <exception cref="JsonException">A value is not what it has to be.</exception>
    public static RunRecord ToRecord(JsonObject json) => (RunRecord)json.Deserialize(TypeOf(json))!;

    /// <summary>Which kind of run a run.json is of.</summary>
    public static JsonTypeInfo TypeOf(JsonObject json) =>
        json["merged"] is JsonValue merged && merged.TryGetValue(out bool isMerged) && isMerged ? Default.MergedRunRecord
            : json["kind"] is JsonValue kind && kind.TryGetValue(out string? name) && name == Store.AblationRunRecord.KindName
                ? Default.AblationRunRecord
            : Default.GraphRunRecord;

    /// <summary>Names and values of options, but for those that are null.</summary>
    public static IEnumerable<(string Name, string Text)> Texts(OptionsRecord options)
    {
        var json = options is AblationOptionsRecord ablation
            ? JsonSerializer.SerializeToNode(ablation, Default.AblationOptionsRecord)
            : JsonSerializer.SerializeToNode((GraphOptionsRecord)options, Default.GraphOptionsRecord);
        foreach (var (name, value) in json!.AsObject())
        {
            if (Text(value) is { Length: > 0 } text) yield return (name, text);
        }
    }

    /// <summary>A string as it is, a number or boolean as JSON has it; null for anything else.</summary>
    public static string? Text(JsonNode? node) => node is not JsonValue value ? null : value.GetValueKind() switch
    {
        JsonValueKind.String => value.GetValue<string>(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.ToJsonString(),
        _ => null,
    };

    public static JsonObject ToObject(ValidationRecord record) =>
        JsonSerializer.SerializeToNode(record, Default.ValidationRecord)!.AsObject();

    public static JsonObject ToObject(CertificateRecord record) =>
        JsonSerializer.SerializeToNode(record, Default.CertificateRecord)!.AsObject();

    public static JsonObject ToObject(FaithfulnessRecord record) =>
        JsonSerializer.SerializeToNode(record, Default.FaithfulnessRecord)!.AsObject();
}
