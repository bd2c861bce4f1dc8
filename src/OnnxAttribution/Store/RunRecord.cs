using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>What every run.json holds: what was asked, what came out, and what it took. A figure that is not defined (NaN) is null.
/// <c>query</c> has the texts, numbers and booleans at the top as columns of the view <c>runs</c>.</summary>
public abstract record RunRecord
{
    /// <summary>The metric: <c>logit</c>, <c>logit-diff</c>, <c>logprob</c>, <c>loss</c>, <c>prob</c> or <c>kl</c>.</summary>
    [JsonPropertyOrder(100)]
    public string? Metric { get; init; }

    /// <summary>The metric's value in the clean run, or its mean over the prompts, in the metric's unit: logits, nats or a
    /// probability.</summary>
    [JsonPropertyOrder(106)]
    public float? CleanMetric { get; init; }

    /// <summary>The metric's value in the patch run, in the metric's unit; null without one.</summary>
    [JsonPropertyOrder(107)]
    public float? PatchMetric { get; init; }

    /// <summary>Hook names of the selected sites, in the order of computation.</summary>
    [JsonPropertyOrder(202)]
    public IReadOnlyList<string>? Sites { get; init; }

    /// <summary>How many nodes the run has, kept or not.</summary>
    [JsonPropertyOrder(210)]
    public int? Nodes { get; init; }

    /// <summary>How many of them passed the limits.</summary>
    [JsonPropertyOrder(211)]
    public int? KeptNodes { get; init; }

    /// <summary>How many edges the run has.</summary>
    [JsonPropertyOrder(213)]
    public int? Edges { get; init; }

    /// <summary>How many rows of edges.parquet say what switched on (<c>down_feature</c> −2), beside the edges; absent unless the edges
    /// are exact.</summary>
    [JsonPropertyOrder(214), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? SwitchedOn { get; init; }

    /// <summary>How many calls of ONNX Runtime were made.</summary>
    [JsonPropertyOrder(300)]
    public int? RuntimeCalls { get; init; }

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    [JsonPropertyOrder(301)]
    public long? Operations { get; init; }

    /// <summary>Seconds, opening the model included.</summary>
    [JsonPropertyOrder(302)]
    public double? Seconds { get; init; }

    /// <summary>Most bytes that the process ever had resident, drawing the page included.</summary>
    [JsonPropertyOrder(304)]
    public long? PeakMemoryBytes { get; init; }

    /// <summary>The model's name, as its bundle has it.</summary>
    [JsonPropertyOrder(305)]
    public string? Model { get; init; }

    /// <summary>The bundle's directory, as it was given.</summary>
    [JsonPropertyOrder(306)]
    public string? ModelPath { get; init; }

    /// <summary>Neuronpedia's names of the dictionaries, such as <c>gpt2-small/6-res-jb</c>, by site;
    /// absent where their cfg.json have none.</summary>
    [JsonPropertyOrder(307), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string>? NeuronpediaIds { get; init; }

    /// <summary>SHA-256 of the bundle's bundle.json, in hexadecimal: which model it was, wherever it lies.</summary>
    [JsonPropertyOrder(308)]
    public string? BundleSha256 { get; init; }

    /// <summary>Where it ran: <c>cpu</c> or <c>cuda</c>.</summary>
    [JsonPropertyOrder(309)]
    public string? Device { get; init; }

    /// <summary>How many threads worked within an operator.</summary>
    [JsonPropertyOrder(310)]
    public int? Threads { get; init; }

    /// <summary>What made the run: <c>onnx-attribution</c>.</summary>
    [JsonPropertyOrder(311)]
    public string? Program { get; init; }

    /// <summary>The program's version.</summary>
    [JsonPropertyOrder(312)]
    public string? Version { get; init; }

    /// <summary>ONNX Runtime's version.</summary>
    [JsonPropertyOrder(313)]
    public string? OnnxruntimeVersion { get; init; }

    /// <summary>The command as it could be typed again; null where the run was made by a program.</summary>
    [JsonPropertyOrder(314)]
    public string? CommandLine { get; init; }

    /// <summary>When the run was finished, in UTC, such as <c>2026-01-31T12:00:00Z</c>.</summary>
    [JsonPropertyOrder(315)]
    public string? FinishedAt { get; init; }

    /// <summary>What <c>validate</c> found; absent where the run was not validated.</summary>
    [JsonPropertyOrder(400), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ValidationRecord? Validation { get; init; }

    /// <summary>What <c>ablate --faithfulness</c> found; absent where it was not asked for.</summary>
    [JsonPropertyOrder(401), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FaithfulnessRecord? Faithfulness { get; init; }

    /// <summary>How large what the graph has left out can be, by <c>graph --certify</c> or <c>validate --bound</c>; absent where neither
    /// was asked for.</summary>
    [JsonPropertyOrder(402), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CertificateRecord? Certificate { get; init; }

    /// <summary>Keys that this version does not know, as they came.</summary>
    [JsonInclude, JsonExtensionData, JsonPropertyOrder(500)]
    internal Dictionary<string, JsonElement>? Further { get; set; }

    /// <summary>What was asked, whatever the kind of run.</summary>
    [JsonIgnore]
    internal abstract OptionsRecord? Asked { get; }

    /// <summary>An effect times this is what the clean value does, which moving a node away undoes: −1; 1 where ablations made nodes more
    /// than they are.</summary>
    internal virtual int SignOfClean => -1;
}

/// <summary>What the options of every run hold.</summary>
public abstract record OptionsRecord
{
    /// <summary>Bytes that one pass was allowed to take.</summary>
    [JsonPropertyOrder(100)]
    public long? MemoryBytes { get; init; }

    /// <summary>Options that this version does not know, as they came.</summary>
    [JsonInclude, JsonExtensionData, JsonPropertyOrder(101)]
    internal Dictionary<string, JsonElement>? Further { get; set; }
}
