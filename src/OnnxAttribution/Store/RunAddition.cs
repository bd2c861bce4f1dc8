using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>What a verb adds to the run.json of a finished run; what is null here stays there as it is.</summary>
internal sealed record RunAddition
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? PeakMemoryBytes { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ValidationRecord? Validation { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FaithfulnessRecord? Faithfulness { get; init; }

    [JsonInclude, JsonExtensionData]
    public Dictionary<string, JsonElement>? Further { get; set; }
}
