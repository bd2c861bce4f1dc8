using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Checkpoints;

/// <summary>releases.json: published sets of dictionaries, where their files are, and what these do not say themselves.</summary>
/// <param name="Sources">By a name: where facts of the table were read.</param>
/// <param name="Models">TransformerLens's name of a model, and others that people use, to its repository on the hub.</param>
internal sealed partial record ReleaseTable(IReadOnlyDictionary<string, string> Sources, IReadOnlyDictionary<string, string> Models,
    IReadOnlyList<ReleaseTable.Release> Releases)
{
    private const string Resource = "releases.json";

    /// <summary>The table of this program.</summary>
    public static ReleaseTable Known { get; } = Read();

    /// <param name="Name">SAELens's.</param>
    /// <param name="Model">The repository of the model that it was trained on.</param>
    /// <param name="Source">A key of <see cref="Sources"/>.</param>
    internal sealed record Release(string Name, string Model, string Source, IReadOnlyList<Set> Sets)
    {
        /// <summary>Shorter names; several releases may share one, and are meant together by it. null: none.</summary>
        public IReadOnlyList<string>? Aliases { get; init; }

        /// <summary>Which of the repository's dictionaries these are, where there are several of a site; null: all.</summary>
        public string? Choice { get; init; }

        /// <summary>Transcoders write another site than they read; their hook is the one that they write.</summary>
        public bool Transcoders { get; init; }

        /// <summary>Whether it was trained on texts that begin with BOS; null: its files say so.</summary>
        public bool? PrependBos { get; init; }
    }

    /// <summary>The dictionaries of a release that lie in one repository under paths of one form.</summary>
    /// <param name="Hook">The hook's name, with <c>{layer}</c> in it.</param>
    /// <param name="Layers">The blocks that have one, as <c>0-11</c> or <c>2,6,10</c>.</param>
    internal sealed record Set(string Repository, string Hook, string Layers)
    {
        /// <summary>The blocks, in order.</summary>
        [JsonIgnore]
        public IReadOnlyList<int> Blocks => [.. Layers.Split(',').Select(part => part.Split('-')).SelectMany(ends =>
            Enumerable.Range(Number(ends[0]), Number(ends[^1]) - Number(ends[0]) + 1))];

        /// <summary>A folder or a file of weights in the repository, with <c>{layer}</c> in it;
        /// null: <see cref="Paths"/> has one for each layer.</summary>
        public string? Path { get; init; }

        public IReadOnlyList<string>? Paths { get; init; }

        /// <summary>Model and source on Neuronpedia, with <c>{layer}</c> in it; null: it is not there.</summary>
        public string? Neuronpedia { get; init; }

        /// <summary>By layer: what Neuronpedia calls them, where the number there is no layer.</summary>
        public IReadOnlyList<string>? NeuronpediaIds { get; init; }

        /// <summary>By layer: <c>norm_scaling_factor</c>, where the files say that there is one and not which.</summary>
        public IReadOnlyList<double>? Factors { get; init; }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true)]
    [JsonSerializable(typeof(ReleaseTable))]
    private sealed partial class ReleaseJson : JsonSerializerContext;

    private static ReleaseTable Read()
    {
        using var stream = typeof(ReleaseTable).Assembly.GetManifestResourceStream(Resource)!;
        return JsonSerializer.Deserialize(stream, ReleaseJson.Default.ReleaseTable)!;
    }
}
