using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace OnnxAttribution.View.Live;

/// <summary>What a live page's script knows of its model. <c>live/contract.ts</c> says the same, and a test compares the two.</summary>
internal sealed record LiveContent
{
    public int Version { get; } = 1;

    /// <summary>For each of the page's features its column among those that can be edited; −1: it cannot be.</summary>
    public required IReadOnlyList<int> Features { get; init; }
    public required int Columns { get; init; }

    /// <summary>Ids of the run's prompt, and where its metric is read.</summary>
    public required IReadOnlyList<int> Tokens { get; init; }
    public required int Position { get; init; }
    public required string Metric { get; init; }
    public required int? Target { get; init; }
    public required int? Foil { get; init; }

    /// <summary>The token that prompts begin with; null: none.</summary>
    public required int? Bos { get; init; }

    /// <summary>Longest prompt, in tokens.</summary>
    public required int Context { get; init; }

    /// <summary>Token texts by id.</summary>
    public required IReadOnlyList<string> Vocabulary { get; init; }

    /// <summary>null: prompts cannot be edited, and <see cref="Note"/> says why.</summary>
    public required JsonObject? Tokenizer { get; init; }
    public required string? Note { get; init; }

    /// <summary>Scripts that hold the weights, one behind the other, and their bytes.</summary>
    public required int Parts { get; init; }
    public required long WeightBytes { get; init; }
}

/// <summary>How they are written, made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    GenerationMode = JsonSourceGenerationMode.Default)]
[JsonSerializable(typeof(LiveContent))]
internal sealed partial class LiveJson : JsonSerializerContext;
