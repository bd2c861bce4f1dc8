namespace OnnxAttribution.Dashboards;

/// <summary>How a text is read for dashboards.</summary>
internal sealed record FeatureOptions
{
    /// <summary>Text tokens to read, BOS positions not counted; null: the whole text.</summary>
    public long? Tokens { get; init; }

    /// <summary>Strongest contexts kept per feature.</summary>
    public int Top { get; init; } = 20;

    /// <summary>Tokens shown on either side of a context's peak.</summary>
    public int Window { get; init; } = 10;

    /// <summary>Strata of weaker activations that are sampled too; 0: none.</summary>
    public int Quantiles { get; init; } = 4;

    /// <summary>Of the sampling.</summary>
    public int Seed { get; init; }

    /// <summary>Replace a table that is there.</summary>
    public bool Force { get; init; }

    /// <summary>How long between two savings of the state that an interrupted run goes on from.</summary>
    internal TimeSpan SaveEvery { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Sequences of one batch; null: as the memory allows.</summary>
    internal int? BatchSequences { get; init; }

    /// <summary>Contexts of each stratum.</summary>
    internal const int PerQuantile = 3;

    /// <summary>Samples a stratum chooses its contexts from: more, since what lies beside a stronger context is passed over.</summary>
    internal const int SamplesPerQuantile = 8;

    internal int Samples => Quantiles * SamplesPerQuantile;

    /// <summary>What the result depends on, so that a state of other options is not gone on from.</summary>
    internal string Key =>
        FormattableString.Invariant($"tokens={Tokens?.ToString() ?? "all"} top={Top} window={Window} quantiles={Quantiles} seed={Seed}");
}
