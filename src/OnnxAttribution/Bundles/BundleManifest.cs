using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bundles;

/// <summary>bundle.json: what a bundle holds, so that nothing has to be guessed from file names.</summary>
internal sealed partial record BundleManifest
{
    public const string FileName = "bundle.json";
    public const string GraphFileName = "model.onnx";

    /// <summary>The graph of an export in place, until the old bundle's is of no use any more.</summary>
    internal const string NextGraphFileName = "model.next.onnx";

    /// <summary>Tensors that weight processing has changed.</summary>
    internal const string ProcessedFileName = "processed.safetensors";
    /// <summary>The newest version: dictionaries may write another site than they read. A bundle without such is of the version before,
    /// which every program reads that reads the newer one.</summary>
    public const int CurrentVersion = 3, WithoutTranscoders = 2;

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

    /// <summary>The graph's file where it is not model.onnx:
    /// for the moment in which a bundle is replaced in its checkpoint's directory.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Graph { get; init; }

    /// <summary>In a checkpoint's own directory: the files that export put there, and may replace or remove.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Exported { get; init; }

    /// <summary>Of a graph that another program exported: how it differs from that; null: in nothing, or it is no such.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AdoptionRecord? Adopted { get; init; }

    /// <summary>What a graph neither takes nor gives any more.</summary>
    internal sealed record AdoptionRecord
    {
        /// <summary>Inputs that it does not take, with what stands in their place.</summary>
        public IReadOnlyDictionary<string, string> Filled { get; init; } = new Dictionary<string, string>();

        /// <summary>Inputs that nothing reads on the way to the logits.</summary>
        public IReadOnlyList<string> Unread { get; init; } = [];

        /// <summary>Outputs besides the logits and the sites.</summary>
        public IReadOnlyList<string> LeftOut { get; init; } = [];

        /// <summary>Types that are computed in float32 (float16, bfloat16), with how many weights are of each.</summary>
        public IReadOnlyDictionary<string, int> Widened { get; init; } = new Dictionary<string, int>();

        [JsonIgnore]
        public bool IsNone => Filled.Count + Unread.Count + LeftOut.Count + Widened.Count == 0;
    }

    internal sealed record WeightProcessingRecord(bool FoldLayernorm, bool CenterWritingWeights, bool CenterUnembed,
        bool FoldValueBiases = false);

    /// <param name="Site">The site as the bundle names it; <paramref name="HookName"/> is what cfg.json says.</param>
    /// <param name="Path">Directory in the bundle.</param>
    internal sealed record DictionaryRecord(string Site, string HookName, string Path, string Architecture, int DSae, int? K,
        string NormalizeActivations, bool PrependBos)
    {
        /// <summary>Of a transcoder, the site that it writes; <see cref="Site"/> is what it reads. Null: it rebuilds that.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? Output { get; init; }

        /// <summary>Of a transcoder, at how many positions from the first it has neither features nor errors; null: at none.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public int? ZeroPositions { get; init; }

        /// <summary>Of a cross-layer transcoder, how many sites it writes: its own MLP's output and those of the next layers; null: one.
        /// </summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public int? OutputLayers { get; init; }

        /// <summary>The release of the table of releases that it is of, where facts below are the table's; null: none.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? Release { get; init; }

        /// <summary>Its name on Neuronpedia, where the release says it and its own files do not.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? NeuronpediaId { get; init; }

        /// <summary>What its input is multiplied by, where the release says it and its own files do not.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public double? NormScalingFactor { get; init; }

        /// <summary>The file, by its path in the bundle, that finds its active features without W_enc
        /// (<see cref="EncoderScreenFile"/>); null: there is none.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? Screen { get; init; }

        /// <summary>A dictionary's config with what its files do not say.</summary>
        internal DictionaryConfig Amended(DictionaryConfig config) => config with
        {
            PrependBos = PrependBos,
            NeuronpediaId = config.NeuronpediaId ?? NeuronpediaId,
            NormScalingFactor = config.NormScalingFactor ?? NormScalingFactor,
        };
    }

    /// <param name="Sha256">Of the whole file.</param>
    /// <param name="Xxh128">Of what is looked at whenever the bundle is opened (<see cref="FileSample"/>).</param>
    internal sealed record FileRecord(long Bytes, string Sha256, string Xxh128);

    private sealed record VersionRecord(int FormatVersion);

    /// <summary>How the file is written and read, made at compile time:
    /// a program compiled ahead of time has no reflection for it.</summary>
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, NewLine = "\n",
        RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
    [JsonSerializable(typeof(BundleManifest)), JsonSerializable(typeof(VersionRecord))]
    private sealed partial class Json : JsonSerializerContext;

    /// <summary>What a reader could stumble over, in words; null: nothing.
    /// The serializer has seen that every key is there and of its type, but for entries of lists.</summary>
    private string? Fault()
    {
        (string Key, int Size, int Least)[] sizes =
            [("n_layers", NLayers, 1), ("d_model", DModel, 1), ("n_heads", NHeads, 0), ("d_vocab", DVocab, 1), ("n_ctx", NCtx, 1)];
        if (sizes.FirstOrDefault(s => s.Size < s.Least) is ({ } key, var size, _)) return $"its {key} is {size}, which no model has";
        foreach (var site in Sites)
        {
            if (site is null || !Site.TryParse(site, out var parsed) || parsed.Layer < 0 || parsed.Layer >= NLayers)
            {
                return $"it lists {DisplayText.QuotedName(site ?? "null")}, which is no site of {NLayers} layers";
            }
        }
        if (Sites.Count == 0 || Sites.Distinct().Count() != Sites.Count) return "it has no sites, or one twice";
        if (Hooks.Any(h => h is null)) return "a hook has no name";
        if (Dictionaries.FirstOrDefault(d => d is null || !Sites.Contains(d.Site) || d.DSae < 1 || IsUnplaced(d)) is { } odd)
        {
            return $"the dictionary at {DisplayText.QuotedName(odd.Site)} is for no site of it, or has no features";
        }
        if (Dictionaries.Any(d => d is null)
            || Dictionaries.DistinctBy(d => (d.Output ?? d.Site, d.Output is null)).Count() != Dictionaries.Count)
        {
            return "a dictionary is missing, or a site has two";
        }
        return Files.FirstOrDefault(f => f.Key.Length == 0 || f.Key.Contains('\0') || f.Value is not { Bytes: >= 0 }) is { Key: { } file }
            ? $"the file {DisplayText.QuotedName(file)} has no size"
            : null;
    }

    // a transcoder writes MLPs' outputs that the model has, and its rows of tokens are there
    private bool IsUnplaced(DictionaryRecord d) => d.Output is { } output
        && (!Sites.Contains(output) || !Sites.Contains(Site.Embedding) || Site.Parse(output) is not { Kind: SiteKind.Mlp, Layer: var layer }
            || d.OutputLayers is < 1 || layer + (d.OutputLayers ?? 1) > NLayers || d.ZeroPositions < 0);

    public string ToJson() => JsonSerializer.Serialize(this, Json.Default.BundleManifest) + "\n";

    public static BundleManifest Read(string directory)
    {
        var path = Path.Combine(directory, FileName);
        if (File.Exists(directory))
        {
            throw new BundleException(
                $"{directory} is a file, and a model bundle is a directory; name the directory that holds {FileName}");
        }
        if (!Directory.Exists(directory)) throw NoBundle($"there is no model bundle at {directory}", directory);
        if (RegularFile.Problem(path) is { } problem) throw new BundleException($"{path} cannot be read: {problem}");
        if (!File.Exists(path)) throw NoBundle($"{directory} has no {FileName}, so it is no model bundle", directory);
        try
        {
            var text = RegularFile.ReadAllText(path);
            // the version first: another format may have other keys
            if (JsonSerializer.Deserialize(text, Json.Default.VersionRecord) is { FormatVersion: var version }
                && version is not (WithoutTranscoders or CurrentVersion))
            {
                throw new BundleException($"{path} has format version {version}, this program reads {WithoutTranscoders} and "
                    + $"{CurrentVersion}; export the bundle again");
            }
            var manifest = JsonSerializer.Deserialize(text, Json.Default.BundleManifest) ?? throw new JsonException("it is empty");
            return manifest.Fault() is { } fault ? throw new JsonException(fault) : manifest;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BundleException($"{path} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
        catch (JsonException e)
        {
            throw new BundleException($"{path} is damaged ({JsonFault.Words(e)}); export the bundle again", e);
        }
    }

    private static BundleException NoBundle(string what, string directory) =>
        new($"{what}; export a checkpoint to make one") { Next = new NextStep(StepKind.Export, directory) };
}
