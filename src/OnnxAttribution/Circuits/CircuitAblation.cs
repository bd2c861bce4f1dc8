using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>
/// What ablating a circuit's features does to the next token.
/// 1. Row 0 of the pass is the circuit, then follow random controls and the control of features 0;
///    each row encodes every site anew as it is reached.
/// 2. At each site x' = x + Σ_i (c − 1) f_i(x) row_i(x): what the dictionary misses stays.
/// </summary>
public sealed class CircuitAblation
{
    private CircuitAblation()
    {
    }

    public required Metric Metric { get; init; }

    /// <summary>P(next token), [vocabulary]: of the clean run, with the circuit ablated,
    /// the mean over the random controls (empty without), and with features 0 ablated.</summary>
    public required double[] Clean { get; init; }
    public required double[] Ablated { get; init; }
    public required double[] Control { get; init; }
    public required double[] FeatureZero { get; init; }

    public required double CleanMetric { get; init; }
    public required double AblatedMetric { get; init; }
    public required double FeatureZeroMetric { get; init; }

    /// <summary>One per random control.</summary>
    public required IReadOnlyList<double> ControlMetrics { get; init; }

    /// <summary>Features of the circuit and of each random control, which has fewer where fewer are active.</summary>
    public required int Size { get; init; }
    public required IReadOnlyList<int> ControlSizes { get; init; }

    /// <summary>Features of the circuit that are active in the clean run:
    /// to ablate the others changes nothing, unless an earlier ablation wakes them.</summary>
    public required int ActiveSize { get; init; }

    /// <param name="tokens">BOS included where one is wanted.</param>
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
        Circuit[] random = [.. Enumerable.Range(0, options.Controls).Select(i => controls.Random(options.Seed, i))];
        Circuit[] circuits = [new Circuit(circuit.Features), .. random, controls.FeatureZero()];
        var vocabulary = clean.Logits(metric.Position).Length;
        var metrics = new double[circuits.Length];
        double[] ablated = [], featureZero = [], control = random.Length > 0 ? new double[vocabulary] : [];
        CircuitPass.Run(clean, circuits.Length, i => new AblationRow(circuits[i], options.Keep), Replacements.Zero(clean),
            options.Coefficient, metric.Position, (first, count, logits) =>
            {
                metric.Of(logits, count, clean.Logits(metric.Position), model.Context.Threads).CopyTo(metrics, first);
                for (var i = 0; i < count; i++)
                {
                    var p = Probabilities(logits.AsSpan(i * vocabulary, vocabulary));
                    if (first + i == 0) ablated = p;
                    else if (first + i == circuits.Length - 1) featureZero = p;
                    else for (var t = 0; t < vocabulary; t++) control[t] += p[t] / random.Length;
                }
            });
        return new CircuitAblation
        {
            Metric = metric,
            Clean = Probabilities(clean.Logits(metric.Position)),
            Ablated = ablated,
            Control = control,
            FeatureZero = featureZero,
            CleanMetric = metric.Of(clean.Logits(metric.Position).ToArray(), 1, clean.Logits(metric.Position))[0],
            AblatedMetric = metrics[0],
            FeatureZeroMetric = metrics[^1],
            ControlMetrics = metrics[1..^1],
            Size = circuits[0].Nodes.Count,
            ActiveSize = controls.Active(),
            ControlSizes = [.. random.Select(c => c.Nodes.Count)],
        };
    }

    /// <summary>The most likely next tokens by one of the distributions.</summary>
    public static IReadOnlyList<int> Top(double[] probabilities, int count) =>
        [.. Enumerable.Range(0, probabilities.Length).OrderByDescending(t => probabilities[t]).Take(count)];

    /// <summary>The tokens whose probability rises, or falls, most.</summary>
    /// <param name="after"><see cref="Ablated"/>, <see cref="Control"/> or <see cref="FeatureZero"/>.</param>
    public IReadOnlyList<TokenChange> Changes(double[] after, bool up, int count) =>
        [.. Enumerable.Range(0, after.Length).Select(t => new TokenChange(t, Clean[t], after[t]))
            .Where(s => up ? s.Change > 0 : s.Change < 0).OrderByDescending(s => Math.Abs(s.Change)).Take(count)];

    private static double[] Probabilities(ReadOnlySpan<float> logits) => Array.ConvertAll(Metric.Logprobs(logits), Math.Exp);
}
