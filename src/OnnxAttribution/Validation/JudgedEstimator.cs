using OnnxAttribution.Attribution;
using OnnxAttribution.Files;

namespace OnnxAttribution.Validation;

/// <summary>What approximate values come from.</summary>
/// <param name="Steps">Of integrated gradients.</param>
/// <param name="Edges">Of edges that have to be found anew.</param>
internal sealed record JudgedEstimator(EffectMethod Method, Estimator Estimator, int Steps, EdgeMethod Edges = EdgeMethod.Jacobian)
{
    /// <summary>Names that <c>validate --compare</c> takes.</summary>
    public static IReadOnlyList<string> Names { get; } = ["gradient", "ig", "relp", "frozen", "gim", "atpstar"];

    /// <summary>One of <see cref="Names"/>, or of both where a run's method and estimator are out
    /// of the ordinary: <c>ig-relp</c>, <c>exact</c>; <c>gradient-exact-edges</c> where its edges are exact.</summary>
    public string Name => (Method, Estimator) switch
    {
        (EffectMethod.Atp, _) => EnumName.Of(Estimator),
        (_, Estimator.Gradient) => EnumName.Of(Method),
        _ => $"{EnumName.Of(Method)}-{EnumName.Of(Estimator)}",
    } + (Edges == EdgeMethod.Exact ? "-exact-edges" : "");

    /// <param name="name">One of <see cref="Names"/>.</param>
    public static JudgedEstimator Parse(string name, int steps) =>
        name is "ig" or "atpstar"
            ? new(Enum.Parse<EffectMethod>(name, ignoreCase: true), Estimator.Gradient, steps)
            : new(EffectMethod.Atp, Enum.Parse<Estimator>(name, ignoreCase: true), steps);
}
