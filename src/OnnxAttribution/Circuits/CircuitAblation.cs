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
    float Coefficient = 0, bool Keep = false, MetricRequest Metric = default, int Controls = 10, int Seed = 0);

/// <summary>
/// What ablating a circuit's features does to the next token.
/// 1. Row 0 of the pass is the circuit, then follow random controls and the control of features 0;
///    each row encodes every site anew as it is reached.
/// 2. At each site x' = x + Σ_i (c − 1) f_i(x) row_i(x): what the dictionary misses stays.
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

    /// <summary>The same with feature 0 ablated in the place of each feature.</summary>
    public required double[] FeatureZero { get; init; }

    /// <summary>The metric in the clean run.</summary>
    public required double CleanMetric { get; init; }

    /// <summary>The metric with the circuit ablated.</summary>
    public required double AblatedMetric { get; init; }

    /// <summary>The metric with features 0 ablated.</summary>
    public required double FeatureZeroMetric { get; init; }

    /// <summary>The metric with each random control ablated.</summary>
    public required IReadOnlyList<double> ControlMetrics { get; init; }

    /// <summary>Features of the circuit.</summary>
    public required int Size { get; init; }

    /// <summary>Features of each random control, fewer than <see cref="Size"/> where fewer are active.</summary>
    public required IReadOnlyList<int> ControlSizes { get; init; }

    /// <summary>Features of the circuit that are active in the clean run:
    /// to ablate the others changes nothing, unless an earlier ablation activates them.</summary>
    public int ActiveSize { get; init; }

    /// <summary>Ablates the circuit, and its controls, in one prompt.</summary>
    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="circuit">Its error nodes count for nothing: errors stay.</param>
    /// <exception cref="CircuitException">The circuit has no feature, or does not fit the model or the prompt.</exception>
    /// <exception cref="AttributionException">The prompt, position, target or coefficient cannot be used.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static CircuitAblation Run(LoadedModel model, int[] tokens, Circuit circuit, CircuitAblationOptions options)
    {
        circuit.RequireFeatures(model);
        if (!float.IsFinite(options.Coefficient))
        {
            throw new AttributionException($"the coefficient cannot be {options.Coefficient}; give a finite number, such as 0 or 0.5");
        }
        using var clean = ActivationCache.Of(model, tokens);
        circuit.RequirePositions(tokens.Length);
        var metric = options.Metric.Choose(clean);
        var controls = new ControlCircuits(clean, circuit);
        // the one asked for, the random ones, features 0; drawn when their rows are, since there may be a great many
        return Run(clean, metric, options, i => i == 0 ? new Circuit(circuit.Features)
            : i <= options.Controls ? controls.Random(options.Seed, i - 1) : controls.FeatureZero()) with
        {
            ActiveSize = controls.Active()
        };
    }

    private static CircuitAblation Run(ActivationCache clean, Metric metric, CircuitAblationOptions options, Func<int, Circuit> circuits)
    {
        var logitsOfClean = clean.Logits(metric.Position).ToArray();
        var (vocabulary, metrics, sizes) = (logitsOfClean.Length, new double[options.Controls + 2], new int[options.Controls + 2]);
        double[] ablated = [], featureZero = [], control = options.Controls > 0 ? new double[vocabulary] : [];
        AblationRow Row(int i)
        {
            var row = new AblationRow(circuits(i), options.Keep);
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
