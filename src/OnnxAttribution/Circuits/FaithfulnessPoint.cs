namespace OnnxAttribution.Circuits;

/// <summary>One circuit on a curve: the metric with it alone, without it, with nothing and with the model as it is.</summary>
/// <param name="Control">Index of the random circuit; null: the strongest nodes.</param>
/// <param name="Nodes">How many of the <paramref name="Of"/> nodes that count under the rule are in the circuit.</param>
/// <param name="Circuit">m(C): all selected nodes outside the circuit are ablated.</param>
/// <param name="Complement">m of the complement: the circuit's own nodes are ablated.</param>
/// <param name="Empty">m(∅) under the same rule.</param>
/// <param name="Full">m(M), the model as it is.</param>
public sealed record FaithfulnessPoint(AblationKind Ablation, ErrorRule Errors, int? Control, int Nodes, int Of, double Circuit,
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
