using System.Xml.Linq;
using SkiaSharp;

namespace OnnxAttribution.Print;

// 1. The SVG that figures are written as is read again, so that a print shows what the SVG shows and no figure is drawn twice.
// 2. The painter knows what these figures are made of, and throws at anything else: a print leaves nothing out in silence.
// 3. Fonts are the library's own, so that a drawing is the same on every machine (PrintFonts says what they lack).

/// <summary>An SVG of this program's as PNG or PDF, by SkiaSharp, for which this room is the only door.</summary>
internal static class PrintedDrawing
{
    // pixels of a bitmap, 256 MiB; a drawing that is larger at its scale has a smaller one
    private const double MostPixels = 64 << 20, MostSide = 32_000;

    // a CSS pixel is 1/96 of an inch, a point 1/72
    private const float PointsPerPixel = 0.75f;

    /// <summary>Formats, by the ending of their files.</summary>
    public static IReadOnlyList<string> Formats { get; } = ["png", "pdf"];

    /// <param name="svg">What <c>SvgCanvas</c> wrote.</param>
    /// <param name="scale">Pixels of the bitmap for one of the drawing; less where the bitmap would be over 64 megapixels.</param>
    /// <returns>Characters that no font has: each is drawn as a box with its number in it.</returns>
    /// <exception cref="PrintException">The native library cannot be loaded.</exception>
    public static IReadOnlyList<string> WritePng(string svg, Stream output, double scale) =>
        Print(svg, (drawing, width, height) =>
        {
            var fitting = (float)Math.Min(Math.Min(scale, Math.Sqrt(MostPixels / (width * height))), MostSide / Math.Max(width, height));
            using var surface = SKSurface.Create(new SKImageInfo((int)Math.Ceiling(width * fitting), (int)Math.Ceiling(height * fitting)));
            surface.Canvas.Clear(SKColors.Transparent);
            surface.Canvas.Scale(fitting);
            var painter = new SvgPainter(surface.Canvas);
            painter.Draw(drawing);
            using var image = surface.Snapshot();
            using var data = image.Encode(SKEncodedImageFormat.Png, 100);
            data.SaveTo(output);
            return painter.Missing;
        });

    /// <summary>One page of the drawing's size, with text as text.</summary>
    /// <inheritdoc cref="WritePng" path="/param[@name='svg']|/returns|/exception"/>
    public static IReadOnlyList<string> WritePdf(string svg, Stream output) =>
        Print(svg, (drawing, width, height) =>
        {
            using var document = SKDocument.CreatePdf(output);
            var page = document.BeginPage(width * PointsPerPixel, height * PointsPerPixel);
            page.Scale(PointsPerPixel);
            var painter = new SvgPainter(page);
            painter.Draw(drawing);
            document.EndPage();
            document.Close();
            return painter.Missing;
        });

    private static IReadOnlyList<string> Print(string svg, Func<XElement, float, float, IReadOnlyList<string>> draw)
    {
        var drawing = XElement.Parse(svg, LoadOptions.PreserveWhitespace);
        try
        {
            return draw(drawing, (float)drawing.Attribute("width")!, (float)drawing.Attribute("height")!);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or TypeInitializationException)
        {
            throw PrintException.NoLibrary(e.GetBaseException());
        }
    }
}
