using OnnxAttribution.Attribution;

namespace OnnxAttribution.Runs;

/// <summary>What every prompt of an invocation is asked for.</summary>
/// <param name="Graph">Metric, method and limits; target and foil come from the prompt's task.</param>
/// <param name="SumOverPositions">Whether to sum nodes and edges over positions.</param>
/// <param name="PrependBos">Whether prompts get a BOS; null: as the dictionaries were trained.</param>
/// <param name="CommandLine">The command to write into run.json; null: none.</param>
public sealed record GraphRequest(GraphOptions Graph, bool SumOverPositions = false, bool? PrependBos = null, string? CommandLine = null)
{
    /// <summary>Whether tables and pictures show what moving a node away does, in place of what its clean value does.</summary>
    public bool ShowAblation { get; init; }
}
