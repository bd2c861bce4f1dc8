using OnnxAttribution.Autodiff;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>The metric as a graph on top of the model's, so that the same rules differentiate it.</summary>
internal sealed class MetricGraph
{
    public const string Position = "metric.position", Target = "metric.target", Foil = "metric.foil", Reference = "metric.clean_logprob";

    /// <summary>Given as a token: the run's own best.</summary>
    public const int Own = -1;

    /// <summary>float32 [batch], and [batch, vocabulary] at the metric's position.</summary>
    public const string ValueName = "metric", LogitsName = "metric.logits";

    /// <summary>int64: the tokens that were meant.</summary>
    public const string TargetName = "metric.target_token", FoilName = "metric.foil_token";

    public required GraphBuilder G { get; init; }
    public required Value Value { get; init; }
    public required Value Logits { get; init; }

    /// <summary>int64: the tokens that were meant, where target or foil was given as −1.</summary>
    public required Value TargetToken { get; init; }
    public required Value FoilToken { get; init; }

    /// <summary>int64 [1] position; int64 scalars target and foil (−1: the run's own top token, and the best other one);
    /// float32 [vocabulary]: the clean run's log-probabilities (kl only).</summary>
    public required IReadOnlyList<Value> Inputs { get; init; }

    /// <param name="model">With batch 1, or with any number of prompts where <paramref name="one"/> is given.</param>
    /// <param name="sites">All sites of it.</param>
    /// <param name="one">The same model as it is loaded, with batch 1.</param>
    public static MetricGraph Build(OnnxGraph model, MetricKind kind, IReadOnlyList<Value> sites, LoadedModel? one = null) =>
        Build(model, kind, sites, one, new OneToken(new GraphBuilder("metric/")));

    /// <summary>Of prompts side by side, each with tokens of its own: target, foil, and the tokens that were meant are int64 [batch].
    /// </summary>
    /// <param name="model">With any number of prompts.</param>
    /// <inheritdoc cref="Build(OnnxGraph, MetricKind, IReadOnlyList{Value}, LoadedModel)" path="/param"/>
    public static MetricGraph OfPrompts(OnnxGraph model, MetricKind kind, IReadOnlyList<Value> sites, LoadedModel one) =>
        Build(model, kind, sites, one, new TokenPerPrompt(new GraphBuilder("metric/")));

    // how tokens are given and picked
    private class OneToken(GraphBuilder g)
    {
        public GraphBuilder G => g;

        public virtual Value Input(string name) => g.Input(name, DataType.Int64, []);

        // the two best, int64 [2] or [batch, 2]
        public virtual Value Best(Value logits) => Two(g.Gather(logits, g.Int(0), 0));

        protected Value Two(Value logits) => g.Emit("TopK", [logits, g.Ints(2)], 2, ("axis", -1L))[1];

        // of [batch, vocabulary]: [batch]
        public virtual Value Pick(Value v, Value token) => g.Gather(v, token, 1);
    }

    private sealed class TokenPerPrompt(GraphBuilder g) : OneToken(g)
    {
        public override Value Input(string name) => G.Input(name, DataType.Int64, Dim.Named("batch"));

        public override Value Best(Value logits) => Two(logits);

        public override Value Pick(Value v, Value token) =>
            G.ReduceSum(G.Mul(v, G.OneHot(token, G.Squeeze(G.Shape(v, 1, 2), 0))), false, -1);
    }

    private static MetricGraph Build(OnnxGraph model, MetricKind kind, IReadOnlyList<Value> sites, LoadedModel? one, OneToken tokens)
    {
        var g = tokens.G;
        var position = g.Input(Position, DataType.Int64, Dim.Of(1));
        var (target, foil) = (tokens.Input(Target), tokens.Input(Foil));
        var unembedded = one is not null && LogitsHead.IsPositionWise(one.Graph, one.AllSites)
            ? LogitsHead.OfRows(g, (sites[^1], model), one.Graph, one.AllSites, position)
            : LogitsHead.At(g, model, sites, position);
        var logits = g.Identity(unembedded, LogitsName);                                                 // [batch, vocabulary]
        // the run's own tokens, so that one run does even where the target is not known before it
        var best = tokens.Best(logits);
        Value Or(Value given, Value own) => g.Where(g.Emit("Less", [given, g.Int(0)]), own, given);
        Value Best(long i) => g.Gather(best, g.Int(i), best.Rank - 1);
        var targetToken = g.Identity(Or(target, Best(0)), TargetName);
        var foilToken = g.Identity(Or(foil, g.Where(g.Equal(Best(0), targetToken), Best(1), Best(0))), FoilName);
        var reference = g.Input(Reference, DataType.Float, logits.Shape![^1]);
        Value Logprob() => g.LogSoftmax(logits, -1);
        Value Pick(Value v, Value token) => tokens.Pick(v, token);
        var value = kind switch
        {
            MetricKind.Logit => Pick(logits, targetToken),
            MetricKind.LogitDiff => g.Sub(Pick(logits, targetToken), Pick(logits, foilToken)),
            MetricKind.Logprob => Pick(Logprob(), targetToken),
            MetricKind.Loss => g.Neg(Pick(Logprob(), targetToken)),
            MetricKind.Prob => g.Exp(Pick(Logprob(), targetToken)),
            MetricKind.Kl => g.ReduceSum(g.Mul(g.Exp(reference), g.Sub(reference, Logprob())), false, -1),   // Σ p (ln p − ln q)
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
        return new MetricGraph
        {
            G = g,
            Logits = logits,
            Value = g.Identity(value, ValueName),
            TargetToken = targetToken,
            FoilToken = foilToken,
            Inputs = [position, target, foil, reference]
        };
    }

    /// <summary>Cotangents of the metric at <paramref name="wanted"/>, each [1, batch,
    /// position, d], along paths that end at <paramref name="stops"/>.</summary>
    public IReadOnlyDictionary<Value, Value> Gradients(GradientRules rules, IReadOnlyList<Value> wanted, IReadOnlyList<Value> stops)
    {
        var one = G.Expand(G.Scalar(1), G.Concat(0, G.Ints(1), G.Shape(Value)));                      // [1, batch]
        return PullBack.FromWhole(new WalkScope(G, rules, stops), Value, one, wanted);
    }
}
