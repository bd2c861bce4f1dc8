using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>An output of <see cref="SegmentHeads"/>: what of a parent's edges passes heads of one attention in one way.</summary>
/// <param name="Parent">Whose tangents are contracted.</param>
/// <param name="FirstHead">The query head of the output's first entry along its axis of heads.</param>
/// <param name="Step">How many heads further the next entry is.</param>
/// <param name="Name">float32 [groups, heads, rows, slots]; whole: [heads, rows, tangents].</param>
internal sealed record HeadOutput(Value Parent, int Layer, AttentionWay Way, int FirstHead, int Step, string Name, bool IsWhole);
