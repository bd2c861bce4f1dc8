using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>The way back through a <see cref="RowSegment"/>: a graph for some positions, run as often as needed, and one for the sums that
/// these leave at what is read at all positions.</summary>
internal sealed class RowPullBack
{
    /// <param name="At">What the site reads.</param>
    /// <param name="IsSame">The site's own cotangents arrive there as they are.</param>
    /// <param name="RowsOutput">Output float32 [1, 1, rows, d]: to be added at the rows' positions; null: nothing arrives so.</param>
    /// <param name="WholeOutput">Output float32 [1, 1, position, d]: to be added at all positions; null: nothing arrives so.</param>
    internal readonly record struct Arrived(Value At, bool IsSame, string? RowsOutput, string? WholeOutput);

    /// <summary>null: nothing has to be run.</summary>
    public required OnnxGraph? Rows { get; init; }
    public required IReadOnlyList<Arrived> At { get; init; }

    /// <summary>Outputs of <see cref="Rows"/>, [1, …]: cotangents of <see cref="RowSegment.Mixed"/>, to be added up over all rows.
    /// </summary>
    public required IReadOnlyList<(Value Mixed, string Output)> Sums { get; init; }

    /// <summary>Takes the sums (<see cref="CotangentOf"/>) and yields cotangents [1, 1, position, d] of what the site reads; null: there
    /// are no sums.</summary>
    public required (OnnxGraph Graph, IReadOnlyList<(Value At, string Output)> Yields)? Whole { get; init; }

    /// <summary>The input of <see cref="Whole"/> for what is mixed.</summary>
    public static string CotangentOf(Value mixed) => mixed.Name + ".cotangent";
}
