namespace OnnxAttribution.Curves;

/// <summary>A place where a response curve bends.</summary>
/// <param name="Step">Index of the coefficient at which it has happened: between that before it and this one.
/// A bend of unknown cause lies at the coefficient itself.</param>
/// <param name="Position">Of the downstream feature.</param>
/// <param name="Attention">The switch of <see cref="KinkCause.Attention"/>, else null.</param>
public sealed record Kink(int Step, int Position, KinkCause Cause, AttentionSwitch? Attention = null);
