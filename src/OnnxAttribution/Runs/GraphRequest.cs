using OnnxAttribution.Attribution;

namespace OnnxAttribution.Runs;

/// <summary>What every prompt of an invocation is asked for.</summary>
/// <param name="Graph">Target and foil come from the prompt's task.</param>
/// <param name="SumOverPositions">Sum nodes and edges over positions.</param>
/// <param name="PrependBos">null: as the dictionaries were trained.</param>
/// <param name="CommandLine">For the record in run.json.</param>
public sealed record GraphRequest(GraphOptions Graph, bool SumOverPositions = false, bool? PrependBos = null, string? CommandLine = null);
