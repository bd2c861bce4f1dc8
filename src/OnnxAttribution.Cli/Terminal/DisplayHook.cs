using OnnxAttribution.Files;
using Spectre.Console.Rendering;

namespace OnnxAttribution.Cli.Terminal;

/// <summary>Escapes what tables and grids show, below their colours, which come after it:
/// no cell steers a terminal, whoever made it.</summary>
internal sealed class DisplayHook : IRenderHook
{
    public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables) =>
        renderables.Select(r => new Escaped(r));

    /// <summary>Something drawn, with its texts escaped.</summary>
    private sealed class Escaped(IRenderable drawn) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => drawn.Measure(options, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            drawn.Render(options, maxWidth)
                .Select(s => s.IsLineBreak || s.IsControlCode ? s : new Segment(DisplayText.Lines(s.Text), s.Style));
    }
}
