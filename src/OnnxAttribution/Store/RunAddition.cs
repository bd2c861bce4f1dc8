using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>What a verb adds to the run.json of a finished run; what is null here stays there as it is.</summary>
internal sealed record RunAddition
{
    /// <summary>The run.json that the addition was begun with, so that nothing is added to a run that has taken that one's place since;
    /// null: not checked.</summary>
    [JsonIgnore]
    public RunRecord? BegunWith { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? PeakMemoryBytes { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ValidationRecord? Validation { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FaithfulnessRecord? Faithfulness { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CertificateRecord? Certificate { get; init; }

    [JsonInclude, JsonExtensionData]
    public Dictionary<string, JsonElement>? Further { get; set; }
}
