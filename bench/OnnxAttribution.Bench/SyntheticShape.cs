namespace OnnxAttribution.Bench;

/// <summary>Sizes of a random model and its dictionaries, for measuring; the defaults are GPT-2-small's.</summary>
/// <param name="Features">Features per dictionary.</param>
/// <param name="ActiveFeatures">Features active per position and site, about.</param>
internal sealed record SyntheticShape(
    int Layers = 12, int Width = 768, int Heads = 12, int Vocabulary = 50257, int Context = 1024, int Features = 24576,
    int ActiveFeatures = 60)
{
    private const int UsualSeed = 20240913;

    /// <summary>Shapes of published models, with dictionaries as wide as people use with them.</summary>
    /// <remarks>Llama and Gemma 2 have them at the residual sites alone: at all 49 and 79 sites they would take 26 and 24 GB, beside
    /// 10 GB of Gemma 2's weights in float32 as they are published. Both are mapped, not read.</remarks>
    public static IReadOnlyDictionary<string, SyntheticShape> Published { get; } = new Dictionary<string, SyntheticShape>
    {
        ["pythia-70m"] = new(6, 512, 8, 50304, 2048, 32768) { ModelType = "gpt_neox" },
        ["gpt2"] = new(),
        ["gpt2-medium"] = new(24, 1024, 16),
        ["llama-1b"] = new(16, 2048, 32, 128256, 131072, 32768)
        {
            ModelType = "llama",
            SharedHeads = 8,
            ResidualOnly = true,
            NormTokens = 1024
        },
        ["gemma-2-2b"] = new(26, 2304, 8, 256000, 8192, 16384)
        {
            ModelType = "gemma2",
            SharedHeads = 4,
            HeadWidth = 256,
            InnerWidth = 9216,
            ResidualOnly = true
        },
        ["gemma-3-270m"] = new(18, 640, 4, 262144, 32768, 16384)
        {
            ModelType = "gemma3_text",
            SharedHeads = 1,
            HeadWidth = 256,
            InnerWidth = 2048
        },
        ["qwen3-0.6b"] = new(28, 1024, 16, 151936, 40960, 16384)
        {
            ModelType = "qwen3",
            SharedHeads = 8,
            HeadWidth = 128,
            InnerWidth = 3072
        },
    };

    /// <summary>config.json's model_type.</summary>
    public string ModelType { get; init; } = "gpt2";

    /// <summary>Heads of keys and values where heads share them; 0: as many as of queries.</summary>
    public int SharedHeads { get; init; }

    /// <summary>Entries of a head; 0: the width over the number of heads.</summary>
    public int HeadWidth { get; init; }

    /// <summary>Width of the MLPs; 0: four times that of the residual stream.</summary>
    public int InnerWidth { get; init; }

    /// <summary>Dictionaries at the residual stream between blocks only.</summary>
    public bool ResidualOnly { get; init; }

    /// <summary>Tokens of the prompt at whose norms dictionaries have <see cref="ActiveFeatures"/>: random attention averages more where
    /// there is more before it, so that of a prompt longer than this fewer features are active.</summary>
    public int NormTokens { get; init; } = BenchRequest.UsualTokens;

    /// <summary>Of the random numbers.</summary>
    public int Seed { get; init; } = UsualSeed;

    /// <summary>What weights are multiplied by: above 1 the model is farther from linear than at GPT-2's initialisation.</summary>
    public float Gain { get; init; } = 1;

    /// <summary>Sites with a dictionary.</summary>
    public int Sites => ResidualOnly ? Layers + 1 : (3 * Layers) + 1;

    /// <summary>The published model's name where it has one's sizes, else <see cref="Name"/>.</summary>
    public string ShortName => Published.FirstOrDefault(p => p.Value == this).Key ?? Name;

    /// <summary>All sizes: the folder of the cached bundle.</summary>
    public string Name =>
        $"{(ModelType == "gpt2" ? "" : ModelType + "-")}l{Layers}-d{Width}-h{Heads}-v{Vocabulary}-n{Features}-a{ActiveFeatures}"
            + (NormTokens == BenchRequest.UsualTokens ? "" : $"-t{NormTokens}")
            + (Seed == UsualSeed && Gain == 1 ? "" : $"-s{Seed}-g{Gain}");
}
