namespace OnnxAttribution.View.Figures;

/// <summary>A size of a circuit, on a curve. NaN: no prompt has a number.</summary>
/// <param name="Random">Of random circuits: the mean over them of their means over prompts,
/// and a standard deviation (over circuits) below and above.</param>
internal readonly record struct FaithfulnessSize(int Nodes, double Faithfulness, double Completeness,
    (double Mean, double Low, double High) Random, (double Mean, double Low, double High) RandomCompleteness);
