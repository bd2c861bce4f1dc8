using System.Globalization;
using System.Xml.Linq;
using SkiaSharp;

namespace OnnxAttribution.Print;

/// <summary>Draws what <c>SvgCanvas</c> writes: rectangles, circles, lines, paths, texts, groups and diagonal hatching.</summary>
internal sealed class SvgPainter(SKCanvas canvas)
{
    private static readonly HashSet<string> s_passedOver = ["title", "defs"];

    private readonly OrderedDictionary<string, bool> _missing = [];
    private readonly Dictionary<string, (SKColor Colour, float Width, float Step)> _hatchings = [];

    /// <summary>Characters that no font has, of what was drawn so far, in the order in which they came.</summary>
    public IReadOnlyList<string> Missing => [.. _missing.Keys];

    /// <exception cref="InvalidOperationException">The drawing holds an element that no figure is made of.</exception>
    public void Draw(XElement svg)
    {
        foreach (var pattern in svg.Descendants().Where(e => e.Name.LocalName == "pattern"))
        {
            var line = pattern.Elements().Single();
            _hatchings[(string)pattern.Attribute("id")!] =
                (SvgColour.Of((string)line.Attribute("stroke")!, 1), Number(line, "stroke-width", 1), Number(pattern, "width", 5));
        }
        foreach (var element in svg.Elements()) Draw(element, new SvgStyle());
    }

    private void Draw(XElement element, SvgStyle inherited)
    {
        var name = element.Name.LocalName;
        if (s_passedOver.Contains(name)) return;
        var style = inherited.With(element);
        switch (name)
        {
            case "g": Group(element, style); break;
            case "rect": Rectangle(element, style); break;
            case "circle": Circle(element, style); break;
            case "line": Line(element, style); break;
            case "path": DrawPath(element, style); break;
            case "text": Text(element, style); break;
            default: throw new InvalidOperationException($"a figure holds <{name}>, which no print draws; add it to {nameof(SvgPainter)}");
        }
    }

    private void Group(XElement element, SvgStyle style)
    {
        canvas.Save();
        Transform(element);
        foreach (var child in element.Elements()) Draw(child, style);
        canvas.Restore();
    }

    private void Rectangle(XElement element, SvgStyle style)
    {
        var (x, y) = (Number(element, "x"), Number(element, "y"));
        var at = SKRect.Create(x, y, Number(element, "width"), Number(element, "height"));
        var radius = Number(element, "rx");
        using var corners = new SKRoundRect(at, radius);
        if (style.FillName is ['u', 'r', 'l', '(', '#', .. var id, ')'])
        {
            Hatch(corners, at, _hatchings[id], style.FillOpacity);
        }
        else
        {
            using var fill = style.Fill();
            if (fill is not null) canvas.DrawRoundRect(corners, fill);
        }
        using var stroke = style.Stroke();
        if (stroke is not null) canvas.DrawRoundRect(corners, stroke);
    }

    private void Hatch(SKRoundRect corners, SKRect at, (SKColor Colour, float Width, float Step) hatching, float opacity)
    {
        canvas.Save();
        canvas.ClipRoundRect(corners, SKClipOperation.Intersect, true);
        using var paint = new SKPaint
        {
            Color = hatching.Colour.WithAlpha((byte)(255 * opacity)), IsStroke = true, StrokeWidth = hatching.Width, IsAntialias = true,
        };
        var step = hatching.Step * MathF.Sqrt(2);
        for (var x = at.Left - at.Height; x < at.Right; x += step) canvas.DrawLine(x, at.Bottom, x + at.Height, at.Top, paint);
        canvas.Restore();
    }

    private void Circle(XElement element, SvgStyle style)
    {
        var (x, y, radius) = (Number(element, "cx"), Number(element, "cy"), Number(element, "r"));
        using var fill = style.Fill();
        using var stroke = style.Stroke();
        if (fill is not null) canvas.DrawCircle(x, y, radius, fill);
        if (stroke is not null) canvas.DrawCircle(x, y, radius, stroke);
    }

    private void Line(XElement element, SvgStyle style)
    {
        using var stroke = style.Stroke();
        if (stroke is null) return;
        canvas.DrawLine(Number(element, "x1"), Number(element, "y1"), Number(element, "x2"), Number(element, "y2"), stroke);
    }

    private void DrawPath(XElement element, SvgStyle style)
    {
        using var path = SKPath.ParseSvgPathData((string)element.Attribute("d")!);
        using var fill = style.Fill();
        using var stroke = style.Stroke();
        if (fill is not null) canvas.DrawPath(path, fill);
        if (stroke is not null) canvas.DrawPath(path, stroke);
    }

    private void Text(XElement element, SvgStyle style)
    {
        using var fill = style.Fill();
        if (fill is null) return;
        var runs = PrintFonts.Runs(element.Value, style.Bold);
        var natural = runs.Sum(run => PrintFonts.Width(run, style.FontSize));
        var wanted = Number(element, "textLength", natural);
        canvas.Save();
        Transform(element);
        canvas.Translate(Number(element, "x"), Number(element, "y"));
        if (natural > 0) canvas.Scale(wanted / natural, 1);
        var x = style.Anchor switch { "middle" => -natural / 2, "end" => -natural, _ => 0 };
        foreach (var run in runs)
        {
            if (run.Font is null)
            {
                Unknown(run.Text, x, style.FontSize, fill);
            }
            else
            {
                using var font = PrintFonts.Font(run.Font, style.FontSize);
                canvas.DrawText(run.Text, x, 0, SKTextAlign.Left, font, fill);
            }
            x += PrintFonts.Width(run, style.FontSize);
        }
        canvas.Restore();
    }

    // a box with a control character's name, or with the character's number, two digits a line
    private void Unknown(string text, float x, float size, SKPaint fill)
    {
        using var frame = new SKPaint { Color = fill.Color, IsStroke = true, StrokeWidth = size / 16, IsAntialias = true };
        canvas.DrawRect(x + (size * 0.06f), -size * 0.78f, size * 0.88f, size * 0.92f, frame);
        var character = char.ConvertToUtf32(text, 0);
        var name = ControlPicture.NameOf(character);
        if (name is null) _missing[text] = true;
        var lines = name is null ? Digits(character) : [name];
        var height = size * 0.84f / lines.Length;
        var plain = PrintFonts.Runs("0", bold: false)[0].Font!;
        using var font = PrintFonts.Font(plain, Math.Min(height * 1.15f, size * (name is null ? 0.5f : 0.4f)));
        for (var i = 0; i < lines.Length; i++)
        {
            var middle = (-size * 0.74f) + ((i + 0.5f) * height);
            canvas.DrawText(lines[i], x + (size / 2), middle + (font.Size * 0.36f), SKTextAlign.Center, font, fill);
        }
    }

    private static string[] Digits(int character)
    {
        var number = character.ToString("X4", CultureInfo.InvariantCulture);
        return [.. (number.Length % 2 == 1 ? "0" + number : number).Chunk(2).Select(digits => new string(digits))];
    }

    private void Transform(XElement element)
    {
        if ((string?)element.Attribute("transform") is not { } transform) return;
        var inside = transform[(transform.IndexOf('(') + 1)..^1];
        float[] numbers = [.. inside.Split(' ').Select(n => float.Parse(n, CultureInfo.InvariantCulture))];
        switch (transform.Split('(')[0], numbers)
        {
            case ("translate", [var x, var y]): canvas.Translate(x, y); break;
            case ("rotate", [var degrees, var x, var y]): canvas.RotateDegrees(degrees, x, y); break;
            default: throw new InvalidOperationException($"a figure holds '{transform}', which no print draws");
        }
    }

    private static float Number(XElement element, string name, float otherwise = 0) => (float?)element.Attribute(name) ?? otherwise;
}
