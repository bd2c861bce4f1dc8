using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>How a circuit is ablated, and what is read afterwards.</summary>
/// <param name="Coefficient">What each feature's activation is multiplied by: 0 takes it away, 1 changes nothing.</param>
/// <param name="Keep">Everything but the circuit is ablated: all other features of the selected sites.</param>
/// <param name="Metric">What is measured; the next token's probabilities are read at its position.</param>
/// <param name="Controls">Random circuits of equal placement and size.</param>
/// <param name="Seed">Of the random circuits.</param>
internal sealed record CircuitAblationOptions(
    float Coefficient = 0, bool Keep = false, MetricRequest Metric = default, int Controls = 10, int Seed = 0)
{
    /// <summary>Whether error nodes of the circuit are scaled as its features are; else, and with <see cref="Keep"/>, all errors stay.
    /// </summary>
    public bool MovesErrors { get; init; }

    /// <summary>Parts of the circuit of which each is moved alone, its errors too; none with <see cref="Keep"/>.</summary>
    public IReadOnlyList<Circuit> Groups { get; init; } = [];

    /// <summary>Token ids of a patch prompt, as long as the prompt, whose values groups are moved to; null: they are scaled.</summary>
    public int[]? GroupPatch { get; init; }

    internal ErrorRule Errors => MovesErrors && !Keep ? ErrorRule.Nodes : ErrorRule.Keep;
}

/// <summary>
/// What ablating a circuit's features does to the next token.
/// 1. Row 0 of the pass is the circuit, then follow random controls and the control of features 0;
///    each row encodes every site anew as it is reached.
/// 2. At each site x' = x + Σ_i (c − 1) f_i(x) row_i(x), for a feature that is set to v (v − f_i(x)) row_i(x): what the dictionary
///    misses stays, or where it is asked for, (c − 1) ε(x) is added too.
/// 3. Each group is a row of a pass of its own.
/// </summary>
internal sealed record CircuitAblation
{
    private CircuitAblation()
    {
    }

    /// <summary>What was measured, with its tokens and position.</summary>
    public required Metric Metric { get; init; }

    /// <summary>float64 [vocabulary], probabilities of the next token in the clean run.</summary>
    public required double[] Clean { get; init; }

    /// <summary>The same with the circuit ablated.</summary>
    public required double[] Ablated { get; init; }

    /// <summary>The mean over the random controls; empty without.</summary>
    public required double[] Control { get; init; }

    /// <summary>The same with each dictionary's first features ablated in their place: feature 0, or as many as there are.</summary>
    public required double[] FeatureZero { get; init; }

    /// <summary>The metric in the clean run.</summary>
    public required double CleanMetric { get; init; }

    /// <summary>The metric with the circuit ablated.</summary>
    public required double AblatedMetric { get; init; }

    /// <summary>The metric with the first features ablated.</summary>
    public required double FeatureZeroMetric { get; init; }

    /// <summary>The metric with each random control ablated.</summary>
    public required IReadOnlyList<double> ControlMetrics { get; init; }

    /// <summary>Features of the circuit, and its error nodes where they are moved.</summary>
    public required int Size { get; init; }

    /// <summary>Nodes of each random control, fewer than <see cref="Size"/> where fewer are active.</summary>
    public required IReadOnlyList<int> ControlSizes { get; init; }

    /// <summary>Nodes of the circuit that are active in the clean run, as every error is:
    /// to ablate the others changes nothing, unless an earlier ablation activates them.</summary>
    public int ActiveSize { get; init; }

    /// <summary>The metric with each group moved alone, in the order given.</summary>
    public IReadOnlyList<double> GroupMetrics { get; init; } = [];

    /// <summary>How many nodes of each group are active in the clean run.</summary>
    public IReadOnlyList<int> GroupActive { get; init; } = [];

    /// <summary>Ablates the circuit, and its controls, in one prompt.</summary>
    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="circuit">Its error nodes count where the options say so.</param>
    /// <exception cref="CircuitException">The circuit has no feature, or does not fit the model or the prompt.</exception>
    /// <exception cref="AttributionException">The prompt, position, target or coefficient cannot be used.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static CircuitAblation Run(LoadedModel model, int[] tokens, Circuit circuit, CircuitAblationOptions options)
    {
        if (options.MovesErrors) circuit.RequireNodes(model);
        else circuit.RequireFeatures(model);
        if (options.Keep && circuit.SetsValues)
        {
            throw new CircuitException("what is kept stays as it is, and the circuit sets features to values; give features alone, "
                + "or do not keep it");
        }
        if (!float.IsFinite(options.Coefficient))
        {
            throw new AttributionException($"the coefficient cannot be {options.Coefficient}; give a finite number, such as 0 or 0.5");
        }
        using var clean = ActivationCache.Of(model, tokens);
        circuit.RequirePositions(tokens.Length);
        var metric = options.Metric.Choose(clean);
        var counted = options.Errors == ErrorRule.Nodes ? circuit : new Circuit(circuit.Features);
        var controls = new ControlCircuits(clean, counted);
        // the one asked for, the random ones, features 0; drawn when their rows are, since there may be a great many
        return Run(clean, metric, options, i => i == 0 ? counted
            : i <= options.Controls ? controls.Random(options.Seed, i - 1) : controls.FirstFeatures()) with
        {
            ActiveSize = controls.Active(),
            GroupMetrics = options.Keep ? [] : Moved(clean, metric, options),
            GroupActive = options.Keep ? [] : [.. options.Groups.Select(g => new ControlCircuits(clean, g).Active())],
        };
    }

    // each group alone, its errors too
    private static double[] Moved(ActivationCache clean, Metric metric, CircuitAblationOptions options)
    {
        if (options.Groups.Count == 0) return [];
        using var patch = options.GroupPatch is { } tokens ? ActivationCache.Of(clean.Model, tokens) : null;
        var pass = patch is null
            ? new CircuitPass(clean, Replacements.Zero(clean), options.Coefficient)
            : new CircuitPass(clean, Replacements.PatchOfNodes(clean, patch));
        return pass.Metrics(options.Groups.Count, i => new AblationRow(options.Groups[i], KeepsCircuit: false, ErrorRule.Nodes), metric);
    }

    private static CircuitAblation Run(ActivationCache clean, Metric metric, CircuitAblationOptions options, Func<int, Circuit> circuits)
    {
        var logitsOfClean = clean.Logits(metric.Position).ToArray();
        var (vocabulary, metrics, sizes) = (logitsOfClean.Length, new double[options.Controls + 2], new int[options.Controls + 2]);
        double[] ablated = [], featureZero = [], control = options.Controls > 0 ? new double[vocabulary] : [];
        AblationRow Row(int i)
        {
            var row = new AblationRow(circuits(i), options.Keep, options.Errors);
            sizes[i] = row.Circuit.Nodes.Count;
            return row;
        }
        void Take(int first, int count, float[] logits)
        {
            metric.Evaluate(logits, count, logitsOfClean, clean.Model.Context.Threads).CopyTo(metrics, first);
            for (var i = 0; i < count; i++)
            {
                var p = Probabilities(logits.AsSpan(i * vocabulary, vocabulary));
                if (first + i == 0) ablated = p;
                else if (first + i == metrics.Length - 1) featureZero = p;
                else for (var t = 0; t < vocabulary; t++) control[t] += p[t] / options.Controls;
            }
        }
        new CircuitPass(clean, Replacements.Zero(clean), options.Coefficient).Run(metrics.Length, Row, metric.Position, Take);
        return new CircuitAblation
        {
            Metric = metric,
            Clean = Probabilities(logitsOfClean),
            Ablated = ablated,
            Control = control,
            FeatureZero = featureZero,
            CleanMetric = metric.Evaluate(logitsOfClean, 1, logitsOfClean)[0],
            AblatedMetric = metrics[0],
            FeatureZeroMetric = metrics[^1],
            ControlMetrics = metrics[1..^1],
            Size = sizes[0],
            ControlSizes = sizes[1..^1],
        };
    }

    /// <summary>The ids of the most likely next tokens by one of the distributions, [vocabulary].</summary>
    public static IReadOnlyList<int> Top(double[] probabilities, int count) =>
        [.. Enumerable.Range(0, probabilities.Length).OrderByDescending(t => probabilities[t]).Take(count)];

    /// <summary>The tokens whose probability rises most, the most first.</summary>
    /// <param name="after"><see cref="Ablated"/>, <see cref="Control"/> or <see cref="FeatureZero"/>.</param>
    public IReadOnlyList<TokenChange> MostRisen(double[] after, int count) => Largest(after, c => c.Change > 0, count);

    /// <summary>The tokens whose probability falls most, the most first.</summary>
    /// <inheritdoc cref="MostRisen" path="/param"/>
    public IReadOnlyList<TokenChange> MostFallen(double[] after, int count) => Largest(after, c => c.Change < 0, count);

    private List<TokenChange> Largest(double[] after, Func<TokenChange, bool> which, int count) =>
        [.. Enumerable.Range(0, after.Length).Select(t => new TokenChange(t, Clean[t], after[t]))
            .Where(which).OrderByDescending(c => Math.Abs(c.Change)).Take(count)];

    private static double[] Probabilities(ReadOnlySpan<float> logits) => Array.ConvertAll(Metric.Logprobs(logits), Math.Exp);
}
