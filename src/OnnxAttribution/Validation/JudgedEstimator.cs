using OnnxAttribution.Attribution;
using OnnxAttribution.Files;

namespace OnnxAttribution.Validation;

/// <summary>What approximate values come from.</summary>
/// <param name="Steps">Of integrated gradients.</param>
/// <param name="Edges">Of edges that have to be found anew.</param>
internal sealed record JudgedEstimator(EffectMethod Method, Estimator Estimator, int Steps, EdgeMethod Edges = EdgeMethod.Jacobian)
{
    /// <summary>A name of <c>validate --compare</c> that stands for every depth of a model: <c>depth-1</c>, <c>depth-2</c>, ….</summary>
    public const string EveryDepth = "exact-depth";

    /// <summary>Names that <c>validate --compare</c> takes, beside <c>depth-K</c> for a number of blocks and
    /// <see cref="EveryDepth"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["gradient", "ig", "relp", "frozen", "gim", "atpstar"];

    /// <summary>One of <see cref="Names"/>, or of both where a run's method and estimator are out
    /// of the ordinary: <c>ig-relp</c>, <c>exact</c>; <c>gradient-exact-edges</c> where its edges are exact.</summary>
    public string Name => (Method, Estimator) switch
    {
        _ when Depth > 0 => Estimator == Estimator.Gradient
            ? NodeMethods.OfDepth(Depth) : $"{NodeMethods.OfDepth(Depth)}-{EnumName.Of(Estimator)}",
        (EffectMethod.Atp, _) => EnumName.Of(Estimator),
        (_, Estimator.Gradient) => EnumName.Of(Method),
        _ => $"{EnumName.Of(Method)}-{EnumName.Of(Estimator)}",
    } + (IsRefined ? "-refined" : "") + (Edges == EdgeMethod.Exact ? "-exact-edges" : "");

    /// <summary>How many blocks every node is run deep; 0: none.</summary>
    public int Depth { get; init; }

    /// <summary>Whether the strongest nodes of the run were really patched.</summary>
    public bool IsRefined { get; init; }

    /// <summary>Whether <c>validate --compare</c> takes a name.</summary>
    public static bool Knows(string name) => Names.Contains(name) || name == EveryDepth || NodeMethods.DepthOf(name) is > 0;

    /// <param name="name">One that <see cref="Knows"/> is true of.</param>
    /// <param name="layers">The model's number of blocks.</param>
    public static IEnumerable<JudgedEstimator> ParseAll(string name, int steps, int layers) => name == EveryDepth
        ? Enumerable.Range(1, Math.Max(1, layers - 1)).Select(k => Parse(NodeMethods.OfDepth(k), steps))
        : [Parse(name, steps)];

    /// <param name="name">One that is not <see cref="EveryDepth"/>.</param>
    public static JudgedEstimator Parse(string name, int steps) =>
        NodeMethods.DepthOf(name) is { } depth ? new(EffectMethod.Atp, Estimator.Gradient, steps) { Depth = depth }
        : name is "ig" or "atpstar"
            ? new(Enum.Parse<EffectMethod>(name, ignoreCase: true), Estimator.Gradient, steps)
            : new(EffectMethod.Atp, Enum.Parse<Estimator>(name, ignoreCase: true), steps);
}
