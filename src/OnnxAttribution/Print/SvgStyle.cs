using System.Globalization;
using System.Xml.Linq;
using SkiaSharp;

namespace OnnxAttribution.Print;

/// <summary>Presentation attributes as an element has them: its own, and those of the groups that it is in.</summary>
internal sealed record SvgStyle
{
    private string? StrokeName { get; init; }
    private float StrokeOpacity { get; init; } = 1;
    private float StrokeWidth { get; init; } = 1;
    private string? Dash { get; init; }
    private bool RoundJoins { get; init; }

    /// <summary>A colour, <c>none</c>, or <c>url(#id)</c> of a hatching.</summary>
    public string FillName { get; private init; } = "#000000";

    /// <summary>0 to 1.</summary>
    public float FillOpacity { get; private init; } = 1;

    /// <summary>start, middle or end.</summary>
    public string Anchor { get; private init; } = "start";

    public bool Bold { get; private init; }

    /// <summary>In pixels of the drawing.</summary>
    public float FontSize { get; private init; } = 16;

    public SvgStyle With(XElement element)
    {
        var opacity = Number(element, "opacity") ?? 1;
        return new()
        {
            FillName = Text(element, "fill") ?? FillName,
            FillOpacity = (Number(element, "fill-opacity") ?? FillOpacity) * opacity,
            StrokeName = Text(element, "stroke") ?? StrokeName,
            StrokeOpacity = (Number(element, "stroke-opacity") ?? StrokeOpacity) * opacity,
            StrokeWidth = Number(element, "stroke-width") ?? StrokeWidth,
            Dash = Text(element, "stroke-dasharray") ?? Dash,
            RoundJoins = Text(element, "stroke-linejoin") is { } join ? join == "round" : RoundJoins,
            Anchor = Text(element, "text-anchor") ?? Anchor,
            Bold = Text(element, "font-weight") is { } weight ? weight is "600" or "bold" : Bold,
            FontSize = Number(element, "font-size") ?? FontSize,
        };
    }

    /// <summary>The caller's to dispose of; null: nothing is filled.</summary>
    public SKPaint? Fill() => FillName == "none" ? null : new() { Color = SvgColour.Of(FillName, FillOpacity), IsAntialias = true };

    /// <summary>The caller's to dispose of; null: nothing is stroked.</summary>
    public SKPaint? Stroke()
    {
        if (StrokeName is null or "none") return null;
        var paint = new SKPaint
        {
            Color = SvgColour.Of(StrokeName, StrokeOpacity), IsStroke = true, StrokeWidth = StrokeWidth, IsAntialias = true,
            StrokeJoin = RoundJoins ? SKStrokeJoin.Round : SKStrokeJoin.Miter,
        };
        if (Dash is not null)
        {
            paint.PathEffect = SKPathEffect.CreateDash([.. Dash.Split(' ').Select(d => float.Parse(d, CultureInfo.InvariantCulture))], 0);
        }
        return paint;
    }

    private static string? Text(XElement element, string name) => (string?)element.Attribute(name);

    private static float? Number(XElement element, string name) => (float?)element.Attribute(name);
}

/// <summary>Colours as themes have them.</summary>
internal static class SvgColour
{
    /// <param name="name">Such as <c>#2166ac</c>.</param>
    /// <param name="opacity">0 to 1.</param>
    public static SKColor Of(string name, float opacity) =>
        SKColor.Parse(name).WithAlpha((byte)Math.Round(255 * Math.Clamp(opacity, 0, 1)));
}
