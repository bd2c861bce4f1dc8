using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>Which faithfulness curves are computed.</summary>
/// <param name="Errors">null: all three rules.</param>
/// <param name="Points">Circuit sizes on a curve, from 0 to all nodes.</param>
/// <param name="Controls">Random circuits of each size.</param>
/// <param name="Seed">Of the random circuits.</param>
/// <param name="Metric">What is measured.</param>
internal sealed record FaithfulnessOptions(
    IReadOnlyList<ErrorRule>? Errors = null, int Points = 12, int Controls = 10, int Seed = 0, MetricRequest Metric = default);

/// <summary>What a node is ablated to: zero, mean or resample ablation.</summary>
internal enum AblationKind
{
    /// <summary>0, for a feature and for the error.</summary>
    Zero,

    /// <summary>Its mean over a text.</summary>
    Mean,

    /// <summary>What it is in the patch run.</summary>
    Patch,
}

/// <summary>What nodes are ablated to.</summary>
/// <param name="PatchTokens">Token ids of the patch prompt, as many as the prompt has; needed for <see cref="AblationKind.Patch"/>.</param>
/// <param name="Means">Needed for <see cref="AblationKind.Mean"/>.</param>
internal sealed record AblationValues(AblationKind Kind, int[]? PatchTokens = null, MeanActivations? Means = null)
{
    /// <summary>The values in one prompt.</summary>
    /// <exception cref="AttributionException">The patch prompt or the means are missing, or it has another length.</exception>
    internal Replacements Of(ActivationCache clean)
    {
        if (Kind == AblationKind.Zero) return Replacements.Zero(clean);
        if (Kind == AblationKind.Mean)
        {
            return Replacements.Mean(clean, Means ?? throw new AttributionException("mean ablation needs a text to take means over")
            {
                Settings = [Setting.MeanText]
            });
        }
        if (PatchTokens is null)
        {
            throw new AttributionException("patch ablation needs a patch prompt; give each prompt one, or ablate to 0 or means")
            {
                Settings = [Setting.PatchPrompt, Setting.Ablation]
            };
        }
        LoadedModel.RequireEquallyLong(clean.Tokens.Count, PatchTokens.Length);
        using var patch = ActivationCache.Of(clean.Model, PatchTokens);
        return Replacements.Patch(clean, patch);
    }
}

/// <summary>One circuit on a curve: the metric with it alone, without it, with nothing and with the model as it is.</summary>
/// <param name="Ablation">What nodes outside were ablated to.</param>
/// <param name="Errors">What became of errors.</param>
/// <param name="Control">Index of the random circuit; null: the strongest nodes.</param>
/// <param name="Nodes">How many of the <paramref name="Of"/> nodes that count under the rule are in the circuit.</param>
/// <param name="Circuit">m(C): all selected nodes outside the circuit are ablated.</param>
/// <param name="Complement">m of the complement: the circuit's own nodes are ablated.</param>
/// <param name="Empty">m(∅) under the same rule.</param>
/// <param name="Full">m(M), the model as it is.</param>
internal sealed record FaithfulnessPoint(AblationKind Ablation, ErrorRule Errors, int? Control, int Nodes, int Of, double Circuit,
    double Complement, double Empty, double Full)
{
    // float32 leaves about this much of a metric undetermined, so that a smaller difference is none
    private const double Rounding = 1e-5;

    /// <summary>(m(C) − m(∅)) / (m(M) − m(∅)); NaN where the two are equal.</summary>
    /// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 4.</remarks>
    public double Faithfulness => Ratio(Circuit);

    /// <summary>The same ratio for the complement.</summary>
    public double Completeness => Ratio(Complement);

    /// <summary>Nodes in the circuit, of all.</summary>
    public double Share => Of == 0 ? double.NaN : (double)Nodes / Of;

    private double Ratio(double metric) =>
        Math.Abs(Full - Empty) <= Rounding * Math.Max(Math.Abs(Full), Math.Abs(Empty)) ? double.NaN : (metric - Empty) / (Full - Empty);
}

/// <summary>
/// How much of the metric a circuit carries, by its size.
/// 1. Nodes are ranked; under a rule that does not count errors as nodes, features only.
///    The k first are the circuit of size k; the k first of a shuffled ranking a random one.
/// 2. A row for each circuit, one for its complement, one for ∅, side by side under every rule:
///    each selected site is encoded anew as it is reached, and what is outside is ablated.
/// 3. Faithfulness and completeness from the metrics.
/// </summary>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 4.</remarks>
internal static class FaithfulnessCurve
{
    /// <summary>Measures every circuit of the curves in one prompt.</summary>
    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="ranking">All nodes, the strongest first.</param>
    /// <returns>Rule by rule, sizes ascending, the strongest nodes' circuit before the random ones.</returns>
    /// <exception cref="CircuitException">A node does not fit the model or the prompt.</exception>
    /// <exception cref="AttributionException">The prompt or what is asked of it cannot be used,
    /// or the patch prompt or the means are missing.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static IReadOnlyList<FaithfulnessPoint> Measure(
        LoadedModel model, int[] tokens, AblationValues ablation, IReadOnlyList<CircuitNode> ranking, FaithfulnessOptions options)
    {
        new Circuit(ranking).Require(model);
        using var clean = ActivationCache.Of(model, tokens);
        new Circuit(ranking).RequirePositions(tokens.Length);
        var metric = options.Metric.Choose(clean);
        var full = metric.Evaluate(clean.Logits(metric.Position).ToArray(), 1, clean.Logits(metric.Position))[0];
        var pass = new CircuitPass(clean, ablation.Of(clean));
        var rows = new List<Prefix>();
        var plans = (options.Errors ?? [ErrorRule.Keep, ErrorRule.Remove, ErrorRule.Nodes])
            .Select(rule => RulePlan.Make(rule, ranking, options, rows, model.Context.Cancel))
            .ToList();
        var metrics = pass.Metrics(rows.Count, i => rows[i].Row(), metric);
        return [.. plans.SelectMany(plan => plan.Circuits.Select(c => new FaithfulnessPoint(ablation.Kind, plan.Rule, c.Control, c.Size,
            plan.Of, metrics[c.Circuit], metrics[c.Complement], metrics[plan.Empty], full)))];
    }

    /// <summary>About so many sizes from 0 to all, each about the same factor larger than the one before.</summary>
    public static IReadOnlyList<int> Sizes(int all, int points)
    {
        // sizes less than 1 apart at the far end are all that there are
        if (points - 2 >= Math.Log(all) / double.LogP1(1.0 / all)) return [.. Enumerable.Range(0, all + 1)];
        var sizes = new SortedSet<int> { 0, all };
        for (var i = 0; i < points - 1 && all > 0; i++)
        {
            sizes.Add((int)Math.Round(Math.Pow(all, points == 2 ? 1 : i / (double)(points - 2))));
        }
        return [.. sizes];
    }

    /// <summary>The first nodes of an order, kept or ablated.</summary>
    private readonly record struct Prefix(CircuitNode[] Order, int Size, bool Keeps, ErrorRule Rule)
    {
        public AblationRow Row() => new(new Circuit(Order.AsSpan(0, Size).ToArray()), Keeps, Rule);
    }

    /// <summary>One circuit, by the rows in which it is kept and ablated.</summary>
    private readonly record struct PlannedCircuit(int? Control, int Size, int Circuit, int Complement);

    /// <summary>The circuits of all sizes under one rule.</summary>
    /// <param name="Of">Nodes that count.</param>
    /// <param name="Empty">The row of ∅.</param>
    private sealed record RulePlan(ErrorRule Rule, int Of, int Empty, IReadOnlyList<PlannedCircuit> Circuits)
    {
        /// <param name="rows">Rows are added.</param>
        public static RulePlan Make(ErrorRule rule, IReadOnlyList<CircuitNode> ranking, FaithfulnessOptions options, List<Prefix> rows,
            CancellationToken cancel)
        {
            CircuitNode[] counted = rule == ErrorRule.Nodes ? [.. ranking] : [.. ranking.Where(n => !n.IsError)];
            var orders = Orders(counted, options, cancel);
            var empty = rows.Count;
            rows.Add(new Prefix(counted, 0, Keeps: true, rule));
            var circuits = new List<PlannedCircuit>();
            foreach (var size in Sizes(counted.Length, options.Points))
            {
                cancel.ThrowIfCancellationRequested();
                var first = rows.Count;
                foreach (var (control, nodes) in orders)
                {
                    // of size 0 and of all nodes there is only one circuit
                    var known = control is not null && (size == 0 || size == counted.Length);
                    var at = known ? first : rows.Count;
                    if (!known)
                    {
                        rows.Add(new Prefix(nodes, size, Keeps: true, rule));
                        rows.Add(new Prefix(nodes, size, Keeps: false, rule));
                    }
                    circuits.Add(new PlannedCircuit(control, size, at, at + 1));
                }
            }
            return new RulePlan(rule, counted.Length, empty, circuits);
        }

        // the ranking, then one shuffled for each control
        private static List<(int? Control, CircuitNode[] Nodes)> Orders(CircuitNode[] counted, FaithfulnessOptions options,
            CancellationToken cancel)
        {
            var orders = new List<(int?, CircuitNode[])> { (null, counted) };
            for (var i = 0; i < options.Controls; i++)
            {
                cancel.ThrowIfCancellationRequested();
                var shuffled = (CircuitNode[])counted.Clone();
                ControlCircuits.RandomOf(options.Seed, i).Shuffle(shuffled);
                orders.Add((i, shuffled));
            }
            return orders;
        }
    }
}
