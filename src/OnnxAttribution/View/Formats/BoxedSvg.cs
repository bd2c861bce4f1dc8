using OnnxAttribution.Dashboards;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Formats;

/// <summary>How a boxed figure is drawn.</summary>
/// <param name="Contexts">A box has so many at most.</param>
internal sealed record BoxStyle(int Contexts, SvgTheme Theme);

/// <summary>The boxed figure: each node a box with its name, label, contexts and tokens, and arrows whose opacity is their share of the
/// largest effect.</summary>
/// <remarks>Udell, Causal Graphs of GPT-2-Small's Residual Stream (2024), the figures and their key.</remarks>
internal sealed class BoxedSvg
{
    private const double Margin = 28, Top = 74, HeadFont = 14, SmallFont = 11, TokenGap = 3, TokenPadding = 3;
    private const string Hatching = "missed";

    private readonly RunPicture _picture;
    private readonly SvgCanvas _canvas;
    private readonly BoxLayout _layout;
    private readonly IReadOnlyList<BoxContent> _boxes;
    private readonly double _left;

    private BoxedSvg(RunPicture picture, IReadOnlyList<BoxContent> boxes, BoxLayout layout, SvgCanvas canvas) =>
        (_picture, _boxes, _layout, _canvas, _left) = (picture, boxes, layout, canvas, (canvas.Width - layout.Width) / 2);

    private SvgTheme Theme => _canvas.Theme;

    /// <summary>Writes the drawing. The writer stays the caller's.</summary>
    /// <exception cref="Store.RunDirectoryException">The run's tokens.parquet is damaged.</exception>
    /// <exception cref="Print.PrintException">Texts cannot be measured.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static void Write(RunPicture picture, FeatureDetails details, BoxStyle style, TextWriter output, CancellationToken cancel)
    {
        var measured = MeasuredTokens.Of(picture.Path, picture.Stored.Record.SignOfClean, cancel);
        IReadOnlyList<BoxContent> boxes = [.. picture.Nodes.Select(n => BoxContent.Of(picture, n, details, measured, style.Contexts))];
        var layout = BoxLayout.Of(picture, boxes);
        var width = Math.Max(layout.Width + (2 * Margin), 800);
        using var canvas = new SvgCanvas(output, width, Top + layout.Height + 30 + BoxLegend.Height, picture.Header.Title, style.Theme);
        var figure = new BoxedSvg(picture, boxes, layout, canvas);
        canvas.Hatching(Hatching, style.Theme.Unknown);
        figure.Title();
        figure.Edges();
        for (var i = 0; i < boxes.Count; i++) figure.Box(boxes[i], figure._left + layout.X[i], Top + layout.Y[i], i);
        BoxLegend.Draw(canvas, picture, boxes, Top + layout.Height + 46);
    }

    private void Title()
    {
        var (header, room) = (_picture.Header, _canvas.Width - (2 * Margin));
        _canvas.Text(Margin, 31, TokenLabel.FitEnd(header.Title, room * 0.9, 19), new(19, Bold: true));
        var clean = double.IsNaN(_picture.CleanMetric) ? "" : $": {NumberText.Of(_picture.CleanMetric)}";
        _canvas.Text(Margin, 53, $"{header.MetricWords}{clean}{(header.Model.Length > 0 ? $"  ·  {header.Model}" : "")}",
            new(12.5, Theme.Quiet, Most: room));
    }

    private void Edges()
    {
        var most = _picture.Edges.Select(e => (double)Math.Abs(e.Effect)).Where(double.IsFinite).DefaultIfEmpty(0).Max();
        _canvas.Open("g", null, ("class", "edges"), ("fill", "none"),
            ("transform", $"translate({SvgCanvas.Number(_left)} {SvgCanvas.Number(Top)})"));
        for (var i = _picture.Edges.Count - 1; i >= 0; i--)
        {
            var e = _picture.Edges[i];
            var (opacity, colour) = (most > 0 ? Math.Abs(e.Effect) / most : 0, Theme.Sign(PictureWords.Does(_picture, e)));
            _canvas.Open("g", PictureWords.Of(_picture, e), ("class", "edge"), ("data-up", e.Up), ("data-down", e.Down));
            var arrow = _layout.Arrows[i];
            _canvas.Draw("path", null, ("d", arrow.Path), ("stroke", colour), ("stroke-width", 2.4), ("stroke-opacity", opacity));
            _canvas.Draw("path", null, ("d", arrow.HeadPath), ("fill", colour), ("fill-opacity", opacity));
            _canvas.Close("g");
        }
        _canvas.Close("g");
    }

    private void Box(BoxContent box, double x, double y, int index)
    {
        var node = box.Node;
        _canvas.Open("g", PictureWords.Of(_picture, node), ("class", node.IsError ? "node error" : node.IsMetric ? "node metric" : "node"),
            ("data-node", index));
        (string, object?)[] place = [("x", x), ("y", y), ("width", BoxContent.Width), ("height", box.Height), ("rx", 6)];
        var colour = Theme.Sign(float.IsNaN(node.Effect) ? double.NaN : node.Contribution);
        _canvas.Draw("rect", null, [.. place, ("fill", node.IsMetric ? Theme.Ink : Theme.Box)]);
        if (node.IsError) _canvas.Draw("rect", null, [.. place, ("fill", $"url(#{Hatching})"), ("fill-opacity", 0.3)]);
        _canvas.Draw("rect", null, [.. place, ("fill", "none"), ("stroke", node.IsMetric ? Theme.Ink : colour), ("stroke-width", 1.6),
            ("stroke-dasharray", node.IsError ? "5 3" : null)]);
        Head(node, x + BoxContent.Padding, y + 18);
        var line = y + BoxContent.HeadHeight;
        foreach (var words in box.Label)
        {
            Fitted(x + BoxContent.Padding, line + 11, words, BoxContent.LabelFont, Theme.Ink);
            line += BoxContent.LabelLine;
        }
        foreach (var context in box.Contexts)
        {
            Context(context, x + BoxContent.Padding, line);
            line += BoxContent.ContextLine;
        }
        if (box.Tokens is { } tokens)
        {
            Tokens(tokens.Promoted, "+", Theme.Raises, box.IsMeasured, (x + BoxContent.Padding, line));
            Tokens(tokens.Suppressed, "−", Theme.Lowers, box.IsMeasured, (x + BoxContent.Padding, line + BoxContent.TokenLine));
        }
        _canvas.Close("g");
    }

    private void Head(PictureNode node, double x, double y)
    {
        var (ink, room) = (node.IsMetric ? Theme.Box : Theme.Ink, BoxContent.Width - (2 * BoxContent.Padding));
        var name = node.IsMetric ? BoxText.Fit(_picture.Header.MetricWords, room - 70, HeadFont, bold: true) : node.Label;
        var width = BoxText.Width(name, HeadFont, bold: true);
        _canvas.Text(x, y, name, new(HeadFont, ink, Bold: true, TextLength: width));
        var value = NumberText.Of(node.IsMetric ? node.Activation : node.Effect);
        if (node.IsUnreliable) value += " ?";
        var valueWidth = BoxText.Width(value, SmallFont);
        Fitted(x + room - valueWidth, y, value, SmallFont, node.IsMetric ? ink : Theme.Quiet);
        if (node.IsMetric || node.Position < 0) return;
        var place = $"at {node.Position} {TokenLabel.Of(node.Token)}";
        Fitted(x + width + 8, y, BoxText.Fit(place, room - width - valueWidth - 20, SmallFont), SmallFont, Theme.Quiet);
    }

    // white to blue: each token's activation over the context's largest
    private void Context(FeatureContext context, double x, double y)
    {
        var room = BoxContent.Width - (2 * BoxContent.Padding);
        var texts = context.Tokens.Select(t => InText(t)).ToArray();
        double[] widths = [.. texts.Select(t => BoxText.Width(t, SmallFont))];
        double most = context.Activations.DefaultIfEmpty(0).Max();
        var (first, count) = BoxText.Around(widths, context.Peak, room);
        for (var i = first; i < first + count; i++)
        {
            var shade = most > 0 ? Math.Max(0, context.Activations[i]) / most : 0;
            var width = Math.Min(widths[i], room);
            if (shade > 0)
            {
                _canvas.Draw("rect", null, ("class", "active"), ("x", x), ("y", y), ("width", width), ("height", 16),
                    ("fill", Theme.Series[0]), ("fill-opacity", shade));
            }
            var text = widths[i] > room ? BoxText.Fit(texts[i], room, SmallFont) : texts[i];
            if (text.Trim().Length > 0) Fitted(x, y + 12, text, SmallFont, Theme.InkOn(Theme.Series[0], shade));
            x += width;
        }
    }

    private void Tokens(IReadOnlyList<string> tokens, string sign, string colour, bool measured, (double X, double Y) at)
    {
        _canvas.Text(at.X, at.Y + 14, sign, new(HeadFont, colour, Bold: true));
        string[] texts = [.. tokens.Select(t => TokenLabel.Of(t))];
        double[] widths = [.. texts.Select(t => BoxText.Width(t, SmallFont))];
        var room = BoxContent.Width - (2 * BoxContent.Padding) - 14 - (tokens.Count * ((2 * TokenPadding) + TokenGap));
        var (cap, x) = (BoxText.Cap(widths, room), at.X + 14);
        for (var i = 0; i < texts.Length; i++)
        {
            var text = widths[i] > cap ? BoxText.Fit(texts[i], cap, SmallFont) : texts[i];
            var width = Math.Min(widths[i], cap) + (2 * TokenPadding);
            _canvas.Draw("rect", null, ("class", measured ? "token measured" : "token"), ("x", x), ("y", at.Y + 2), ("width", width),
                ("height", 16), ("rx", 3), ("fill", measured ? colour : "none"), ("fill-opacity", measured ? 0.2 : null),
                ("stroke", colour), ("stroke-width", 0.6), ("stroke-opacity", measured ? null : 0.6));
            Fitted(x + TokenPadding, at.Y + 14, text, SmallFont, Theme.Ink);
            x += width + TokenGap;
        }
    }

    private void Fitted(double x, double y, string text, double size, string fill) =>
        _canvas.Text(x, y, text, new(size, fill, TextLength: BoxText.Width(text, size)));

    // as in running text: a space is a space there, and only line ends are to be seen
    private static string InText(string token) => TokenLabel.Of("x" + token + "x", int.MaxValue)[1..^1];
}
