using OnnxAttribution.Ablation;

namespace OnnxAttribution.Runs;

/// <summary>What naive ablation is asked for, of every prompt of an invocation.</summary>
/// <param name="Ablation">Target and foil come from the prompt's task.</param>
/// <param name="PrependBos">null: as the dictionaries were trained.</param>
/// <param name="CommandLine">For the record in run.json.</param>
internal sealed record AblationRequest(AblationOptions Ablation, bool? PrependBos = null, string? CommandLine = null);
