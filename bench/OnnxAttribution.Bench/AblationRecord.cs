namespace OnnxAttribution.Bench;

/// <summary>What naive ablation of one prompt costs: edges alone, and going on to the metric and the next token.</summary>
/// <param name="Operations">
/// Floating-point operations of the matrix products that were run: what no ablation reaches is not encoded and not counted, but blocks are
/// computed at all positions, so that for one position at a time nearly half of a block's are spent on positions that cannot change.
/// </param>
/// <param name="Seconds">Of each counted run, in their order, the model loaded.</param>
/// <param name="Stages">Seconds of the median run, by stage.</param>
/// <param name="PeakMemoryBytes">Of the process up to its end, from the opening of the model.</param>
internal sealed record AblationTiming(
    long Operations, IReadOnlyList<double> Seconds, IReadOnlyDictionary<string, double> Stages, int RuntimeCalls, long PeakMemoryBytes)
{
    public double Median => Figures.Median(Seconds);
}

/// <summary>What naive ablation of all active features of all residual sites costs.</summary>
/// <param name="Positions">Where a feature is ablated, as <c>--positions</c>.</param>
/// <param name="Measure">Where downstream features are read, as <c>--measure</c>.</param>
/// <param name="SlowSeconds">Of single whole forward passes with the next site's encoder, on features spread over all.</param>
internal sealed record AblationRecord(
    Setting Setting, string Positions, string Measure, double GemmFlopsPerSecond, int Sites, int Ablated, long EdgesSeen,
    AblationTiming Edges, AblationTiming WithLogits, IReadOnlyList<double> SlowSeconds, ValidationTiming Validate) : IBenchRecord
{
    private const string Usual = "all";

    public string Name => Setting.FileName + (Positions == Usual ? "" : $"-at-{Positions}") + (Measure == Usual ? "" : $"-read-{Measure}");

    /// <summary>Seconds of one whole forward pass.</summary>
    public double SlowMedian => Figures.Median(SlowSeconds);

    /// <summary>Extrapolated: seconds for every feature.</summary>
    public double SlowAll => SlowMedian * Ablated;

    /// <summary>Seconds that the operations need at the machine's rate.</summary>
    public double Floor(AblationTiming timing) => timing.Operations / GemmFlopsPerSecond;

    public void Print(TextWriter output)
    {
        var model = Setting.Model;
        output.WriteLine($"{model.Layers} layers, width {model.Width}, {model.Vocabulary:N0} tokens, "
            + $"dictionaries of {model.Features:N0} features at {Sites} residual sites; T = {Setting.Tokens}");
        output.WriteLine($"ONNX Runtime {Setting.OnnxRuntime}, {Setting.Device}, {Setting.Threads} threads; "
            + $"positions {Positions}, measured at {Measure}");
        output.WriteLine($"{Ablated:N0} ablated, {EdgesSeen:N0} edges seen; matrix-multiply rate {GemmFlopsPerSecond / 1e9:f0} GFLOP/s");
        output.WriteLine();
        output.WriteLine($"{"",-26}{"edges",12}{"with logits",14}");
        Row("operations, TFLOP", t => $"{t.Operations / 1e12:f2}");
        Row("their floor, s", t => $"{Floor(t):f2}");
        Row("measured, s", t => $"{t.Median:f2}");
        Row("  least", t => $"{t.Seconds.Min():f2}");
        Row("  most", t => $"{t.Seconds.Max():f2}");
        foreach (var stage in WithLogits.Stages.Keys) Row("  " + stage, t => t.Stages.TryGetValue(stage, out var s) ? $"{s:f2}" : "–");
        Row("ratio to the floor", t => $"{t.Median / Floor(t):f2}");
        Row("runtime calls", t => $"{t.RuntimeCalls}");
        Row("peak memory, GiB", t => $"{t.PeakMemoryBytes / SpeedTables.GiB:f1}");
        output.WriteLine();
        output.WriteLine($"whole forward passes, one feature at a time: {SlowMedian * 1000:f0} ms each (median of {SlowSeconds.Count}), "
            + $"{SlowAll:f0} s for all (extrapolated): {SlowAll / Edges.Median:f1} times as long as edges, "
            + $"{SlowAll / WithLogits.Median:f1} times as long as with logits");
        output.WriteLine($"validate: {Validate.Nodes:N0} nodes and {Validate.Edges:N0} edges at {Validate.Sites} sites in "
            + $"{Validate.Seconds:f1} s, {Validate.OpenSeconds:f1} of them to open the model; {Validate.RuntimeCalls} runtime calls");

        void Row(string what, Func<AblationTiming, string> value) => output.WriteLine($"{what,-26}{value(Edges),12}{value(WithLogits),14}");
    }
}
