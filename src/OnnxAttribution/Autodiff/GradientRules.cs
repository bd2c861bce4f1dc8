using System.Collections.Frozen;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>An estimator: which derivative each operator counts with, backward and forward. Every walk over a graph takes one.</summary>
/// <param name="Vjp">Rules for cotangents; an operator through which nothing flows has a row that says so.</param>
/// <param name="Jvp">Rules for tangents, each the transpose of the one in <paramref name="Vjp"/>.</param>
/// <param name="NothingFlows">Operators whose outputs count as constants.</param>
/// <remarks>
/// An operator is told by its type, so a LayerNorm or GELU that is spelled out in smaller operators keeps its true derivative; only SiLU, x
/// · σ(x), products of activations and attention's softmax are told by what they read (<see cref="ActivationProducts"/>,
/// <see cref="InteractionRules"/>). Since whatever a rule says is linear in the cotangent, effects are conserved under every estimator.
/// </remarks>
internal sealed record GradientRules(string Name, FrozenDictionary<string, VjpRule> Vjp, FrozenDictionary<string, JvpRule> Jvp,
    FrozenSet<string> NothingFlows)
{
    /// <summary>True derivatives.</summary>
    public static GradientRules Gradient { get; } = new("gradient", VjpRules.Table, JvpRules.Table, VjpRules.NothingFlows);

    /// <summary>The scale of LayerNorm and RMSNorm held fixed, GELU and SiLU by the constant ratio f(x)/x,
    /// half of each derivative of a gated MLP's product; everything else, Softmax included, true derivatives.</summary>
    /// <remarks>Rezaei Jafari et al. 2025 (RelP; arXiv:2508.21258), its rules for normalisations (LN),
    /// activation functions (identity) and multiplicative gates (half).</remarks>
    public static GradientRules Relp { get; } = Gradient.WithFixedScales()
        .With("Gelu", VjpRules.EntryByEntry(UnaryDerivatives.GeluRatio), JvpRules.EntryByEntry(UnaryDerivatives.GeluRatio))
        .With("Mul", ActivationProducts.Vjp, ActivationProducts.Jvp) with
    { Name = "relp" };

    /// <summary>The scale of LayerNorm and RMSNorm and attention patterns held fixed; everything else true derivatives.</summary>
    /// <remarks>As circuit-tracer does (Ameisen et al. 2025). A pattern is what Softmax yields.</remarks>
    public static GradientRules Frozen { get; } = Gradient.WithFixedScales().WithConstant("Softmax") with { Name = "frozen" };

    /// <summary>The scale of LayerNorm and RMSNorm held fixed, attention's softmax as if at temperature 2, half of each derivative of a
    /// product of two activations (queries and keys, pattern and values, gates); everything else true derivatives.</summary>
    /// <remarks>Edin et al. 2025 (GIM; arXiv:2505.17630).</remarks>
    public static GradientRules Gim { get; } = Gradient.WithFixedScales()
        .With("Softmax", InteractionRules.PullBackSoftmax, InteractionRules.PushForwardSoftmax)
        .With("MatMul", InteractionRules.PullBackProduct, InteractionRules.PushForwardProduct)
        .With("Mul", InteractionRules.PullBackProduct, InteractionRules.PushForwardProduct) with
    { Name = "gim", ProductShare = InteractionRules.ShareOf };

    /// <summary>The share of its derivatives with which a matrix product counts, as its rules have it: what is pulled back to a factor
    /// without its rule is multiplied with this.</summary>
    public Func<Op, float> ProductShare { get; private init; } = _ => 1;

    /// <summary>Whether the operator's outputs count as constants, whatever it reads.</summary>
    public bool Blocks(Op op) => NothingFlows.Contains(op.Type) || (op.Type == "Cast" && !op.Out[0]!.IsFloat);

    /// <summary>The values made by <paramref name="ops"/> (in order) that a derivative reaches from one of
    /// <paramref name="sources"/>, with the sources themselves.</summary>
    public HashSet<Value> Reached(IEnumerable<Value> sources, IReadOnlyList<Op> ops) =>
        Topology.DependentOn(sources, [.. ops.Where(op => !Blocks(op))]);

    private GradientRules WithFixedScales() => With("LayerNormalization", VjpRules.One(PullBackFixedScale), PushForwardFixedScale)
        .With("RMSNormalization", VjpRules.One(PullBackFixedScale), PushForwardFixedScale);

    private GradientRules With(string type, VjpRule vjp, JvpRule jvp) =>
        this with { Vjp = Replaced(Vjp, type, vjp), Jvp = Replaced(Jvp, type, jvp) };

    private GradientRules WithConstant(string type) => this with
    {
        Vjp = Replaced(Vjp, type, VjpRules.Nothing),
        Jvp = Jvp.Where(rule => rule.Key != type).ToFrozenDictionary(),
        NothingFlows = NothingFlows.Append(type).ToFrozenSet(),
    };

    private static FrozenDictionary<string, T> Replaced<T>(FrozenDictionary<string, T> table, string type, T rule) =>
        new Dictionary<string, T>(table) { [type] = rule }.ToFrozenDictionary();

    // z = n ∘ s + b,  n = (x − mean x) / σ, σ constant      x̄ = (c − mean c) / σ  with c = z̄ ∘ s      s̄ = z̄ ∘ n      b̄ = z̄
    // RMSNormalization: n = x / σ      x̄ = c / σ
    private static Value?[] PullBackFixedScale(GraphBuilder g, OpView op, Value zBar)
    {
        var (n, inverse, axes) = VjpRules.Normalized(g, op);
        Value? xBar = null;
        if (op.Wants(0))
        {
            xBar = g.Mul(VjpRules.Centred(g, op, g.Mul(zBar, op.In(1)), axes), inverse);
        }
        return [xBar, op.Wants(1) ? g.Mul(zBar, n) : null, .. VjpRules.Bias(op, zBar)];
    }

    // ż = (ẋ − mean ẋ) / σ ∘ s + n ∘ ṡ + ḃ; RMSNormalization: ż = ẋ / σ ∘ s + n ∘ ṡ
    private static Value[] PushForwardFixedScale(GraphBuilder g, OpView op, Value?[] d)
    {
        var (n, inverse, axes) = VjpRules.Normalized(g, op);
        var moved = d[0] is not { } x ? null : g.Mul(g.Mul(VjpRules.Centred(g, op, x, axes), inverse), op.In(1));
        if (d[1] is not null) moved = JvpRules.Sum(g, moved, g.Mul(d[1]!, n));
        return [JvpRules.Sum(g, moved, d.Length > 2 ? d[2] : null)];
    }
}
