namespace OnnxAttribution.Ablation;

/// <summary>A place where a response curve bends.</summary>
/// <param name="Step">Index of the coefficient at which it has happened: between that before it and this one. A bend of unknown cause lies at the coefficient itself.</param>
/// <param name="Position">Of the downstream feature.</param>
/// <param name="Attention">The switch of <see cref="BendCause.Attention"/>, else null.</param>
public sealed record Bend(int Step, int Position, BendCause Cause, AttentionSwitch? Attention = null);
