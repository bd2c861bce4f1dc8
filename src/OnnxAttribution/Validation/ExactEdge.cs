namespace OnnxAttribution.Validation;

/// <summary>What really happens at one end of an edge when the other is moved.</summary>
/// <param name="Change">Of the downstream feature's activation; NaN where the downstream end is an error node or the metric.</param>
/// <param name="Effect">That change times g_d: its part of the metric's change.</param>
internal readonly record struct ExactEdge(float Change, float Effect);
