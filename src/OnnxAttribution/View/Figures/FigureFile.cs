using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>Figures of the tables that other verbs write, as self-contained SVG files.</summary>
internal static class FigureFile
{
    /// <summary>Names of all figures.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["effects", "curve", "faithfulness", "validation", "cost-recall", "lens", "summands", "lens-heads", "patching"];

    /// <summary>Draws one. The writer stays the caller's.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="path">A run directory; for <c>curve</c> also the Parquet file that <c>ablate --up … --out</c> wrote; for <c>lens</c>,
    /// <c>summands</c> and <c>lens-heads</c> the directory that <c>lens --out</c> wrote, for <c>patching</c> that of <c>patch</c>.</param>
    /// <exception cref="FigureException">There is no such figure, or nothing to draw.</exception>
    /// <exception cref="RunDirectoryException">The run, the file or the table is missing (the
    /// message says which verb writes it) or damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static void Write(string name, string path, TextWriter output, SvgTheme? theme = null, CancellationToken cancel = default)
    {
        Action<string, TextWriter, SvgTheme, CancellationToken> draw = name switch
        {
            "effects" => EffectsFigure.Write,
            "curve" => CurveFigure.Write,
            "faithfulness" => FaithfulnessFigure.Write,
            "validation" => ValidationFigure.Write,
            "cost-recall" => CostRecallFigure.Write,
            "lens" => LensFigure.Write,
            "summands" => SummandsFigure.Write,
            "lens-heads" => HeadMapFigure.Write,
            "patching" => PatchingFigure.Write,
            _ => throw FigureException.Unknown(name),
        };
        draw(path, output, theme ?? SvgTheme.Light, cancel);
    }
}
