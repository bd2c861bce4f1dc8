using OnnxAttribution.Print;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Live;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.View.Formats;

/// <summary>One picture of a run, or its graph in another program's format.</summary>
/// <param name="run">The run directory; of a response curve also its Parquet file.</param>
/// <param name="format">One of <see cref="Formats"/>.</param>
/// <param name="figure">One of <see cref="FigureNames"/>, in which case the format is one of <see cref="StillFormats"/>; null: the graph.
/// </param>
internal sealed class Drawing(string run, string format, string? figure)
{
    // 192 pixels an inch
    private const double PngScale = 2;

    // characters that a note lists
    private const int MostNamed = 12;

    private readonly string _given = run;
    private readonly string _run = MergedRun.Locate(run);

    // the directory is looked at once: what is drawn, and where to, is of one and the same
    private readonly Lazy<string?> _mean = new(() => figure is null && format == "html" ? BatchPage.MeanOf(run) : null);

    private const string LiveName = "live";

    /// <summary>The first is the default.</summary>
    public static IReadOnlyList<string> Formats { get; } = ["html", "svg", "png", "pdf", "dot", "json", "graphml"];

    /// <summary>Those that <see cref="Theme"/>, <see cref="BoxContexts"/> and figures go with.</summary>
    public static IReadOnlyList<string> StillFormats { get; } = ["svg", .. PrintedDrawing.Formats];

    /// <summary>The format that a file's name asks for.</summary>
    /// <returns>null: the name is a folder's or has no ending, so none.</returns>
    /// <exception cref="FigureException">Nothing is written in a format of that ending.</exception>
    public static string? FormatOf(string file) => Path.GetExtension(file).TrimStart('.').ToLowerInvariant() switch
    {
        _ when IsFolder(file) => null,
        "htm" => "html",
        "gv" => "dot",
        var ending when Formats.Contains(ending) => ending,
        _ => throw FigureException.UnknownFormat(file, Formats),
    };

    /// <summary>Whether a name is that of a folder: graph JSON is then written for circuit-tracer's page (<see cref="GraphFolder"/>).
    /// </summary>
    public static bool IsFolder(string name) =>
        Path.EndsInDirectorySeparator(name) || Path.GetExtension(name).Length == 0 || Directory.Exists(name);

    /// <summary>Whether <see cref="DefaultFile"/> is one that this verb made of the run and makes again.</summary>
    public bool IsOfRun => Directory.Exists(_run);

    /// <summary>Of a directory of many prompts' graphs, whose page lists them, the run of their mean; null: one graph is drawn.</summary>
    public string? MeanOfIndex => _mean.Value;

    public static IReadOnlyList<string> FigureNames => FigureFile.Names;

    /// <summary>The bundle that features' dashboards and tokens are read from; null: where it was when the run was made.</summary>
    public string? Model { get; init; }

    /// <summary>The graph's name in a viewer, for JSON; null: made of the run directory's.</summary>
    public string? Slug { get; init; }

    public PictureLimits Limits { get; init; } = new();

    /// <summary>A subgraph.json, or graph JSON of the run with pins and supernodes; null: nothing is chosen.</summary>
    public string? Subgraph { get; init; }

    public SvgTheme Theme { get; init; } = SvgTheme.Light;

    /// <summary>Nodes are drawn as boxes, with so many contexts each (<see cref="BoxedSvg"/>); null: the graph as the page has it.
    /// </summary>
    public int? BoxContexts { get; init; }

    /// <summary>In the run directory: graph.html and so on, or the figure's name.</summary>
    public string DefaultFile =>
        MeanOfIndex is not null ? Path.Combine(_given, BatchPage.FileName)
            : Path.Combine(Directory.Exists(_run) ? _run : Path.GetDirectoryName(_run) ?? "",
                $"{figure ?? (BoxContexts is null ? "graph" : "boxes")}.{format}");

    /// <summary>Draws, and writes the file aside and renames it when whole.</summary>
    /// <returns>What the reader should know of what is missing.</returns>
    /// <exception cref="FigureException">The figure's table holds nothing to draw,
    /// or a Parquet file is to be drawn as something else than a curve.</exception>
    /// <exception cref="RunDirectoryException">The run is damaged or lacks the figure's table,
    /// or the file exists or cannot be written.</exception>
    /// <exception cref="SubgraphException"><see cref="Subgraph"/> cannot be read, or is of another run.</exception>
    /// <exception cref="Bundles.BundleException"><see cref="Model"/> is no bundle.</exception>
    /// <exception cref="PrintException">PNG and PDF cannot be drawn here.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public IReadOnlyList<string> Write(string file, bool force, CancellationToken cancel = default)
    {
        RequireRun();
        if (figure is not null)
        {
            return Notes(WriteStill(file, force, output => FigureFile.Write(figure, _run, output, Theme, cancel), cancel));
        }
        if (MeanOfIndex is not null)
        {
            DrawingFile.CheckFree(file, force);
            BatchPage.Write(_given, file, cancel);
            return [];
        }
        var picture = Picture(cancel);
        switch (format)
        {
            case "html":
                var details = FeatureDetails.Of(picture, Model, cancel);
                picture.Suggested = AlikeNodes.Of(picture, Model, cancel);
                DrawingFile.Write(file, force, output => GraphPage.Write(picture, details, file, output), cancel);
                return Notes(details.PageNote);
            case "svg" or "png" or "pdf":
                var words = FeatureDetails.Of(picture, Model, cancel);
                var unread = WriteStill(file, force, output => WriteGraph(picture, words, output, cancel), cancel);
                return Notes(BoxContexts > 0 ? words.ContextNote : words.TokenNote, unread);
            case "dot": DrawingFile.Write(file, force, output => GraphDot.Write(picture, output), cancel); break;
            case "json":
                var parts = new GraphJsonParts { Slug = Slug, Details = FeatureDetails.Of(picture, Model, cancel) };
                DrawingFile.WriteBytes(file, force, output => GraphJson.Write(picture, output, parts), cancel);
                return Notes(parts.Details.TokenNote);
            case "graphml": DrawingFile.Write(file, force, output => GraphMl.Write(picture, output), cancel); break;
            default: throw new ArgumentException($"there is no format '{format}', only {string.Join(", ", Formats)}", nameof(format));
        }
        return [];
    }

    /// <summary>The folder that <see cref="WriteFolder"/> fills.</summary>
    public GraphFolder FolderAt(string directory, bool force) => new(directory, Slug ?? GraphJsonHeader.Slug(_run), force);

    /// <summary>Adds the graph as JSON to a folder of graphs, with its features' files.</summary>
    /// <returns>What was written, and what the reader should know of what is missing; null: nothing.</returns>
    /// <inheritdoc cref="Write" path="/exception"/>
    public (GraphFolderSummary Summary, string? Note) WriteFolder(GraphFolder folder, CancellationToken cancel = default)
    {
        RequireRun();
        var picture = Picture(cancel);
        var details = FeatureDetails.Of(picture, Model, cancel);
        return (folder.Write(picture, details, cancel), details.ContextNote);
    }

    private void WriteGraph(RunPicture picture, FeatureDetails details, TextWriter output, CancellationToken cancel)
    {
        if (BoxContexts is { } contexts) BoxedSvg.Write(picture, details, new(contexts, Theme), output, cancel);
        else GraphSvg.Write(picture, output, Theme, details);
    }

    private static IReadOnlyList<string> Notes(params ReadOnlySpan<string?> notes) => [.. notes.ToArray().OfType<string>()];

    // what to say of characters that no font has
    private string? WriteStill(string file, bool force, Action<TextWriter> draw, CancellationToken cancel)
    {
        if (format == "svg")
        {
            DrawingFile.Write(file, force, draw, cancel);
            return null;
        }
        IReadOnlyList<string> missing = [];
        using var svg = new StringWriter();
        draw(svg);
        DrawingFile.WriteBytes(file, force, output =>
        {
            missing = format == "png" ? PrintedDrawing.WritePng(svg.ToString(), output, PngScale)
                : PrintedDrawing.WritePdf(svg.ToString(), output);
        }, cancel);
        return missing.Count == 0 ? null : $"no font of this machine has {NumberText.Count(missing.Count, "character")} of it "
            + $"({string.Join(' ', missing.Take(MostNamed))}{(missing.Count > MostNamed ? " …" : "")}), drawn as boxes with their numbers; "
            + "install a font that has them, or write SVG";
    }

    /// <summary>Writes a page that runs the model itself.</summary>
    /// <param name="place">A file that ends in .html, or a folder; null: live.html in the run, or where that would be too large the
    /// folder live there.</param>
    /// <returns>What was written, and what the reader should know of what is missing.</returns>
    /// <exception cref="LivePageException">The run is of no single prompt, its model is not to be had or is too large, or nothing of it
    /// can be edited.</exception>
    /// <inheritdoc cref="Write" path="/exception"/>
    public (string Path, string? Note) WriteLive(string? place, bool force, CancellationToken cancel = default)
    {
        RequireRun();
        if (MeanOfIndex is not null) throw LivePageException.OfManyPrompts(_given);
        var picture = Picture(cancel);
        var model = LiveModel.Of(picture, Model, cancel);
        var details = FeatureDetails.Of(picture, Model, cancel);
        var own = Path.Combine(_run, LiveName);
        var inFolder = place is null ? !LivePage.FitsInAFile(model) : IsFolder(place);
        var to = (Place: place ?? (inFolder ? own : own + ".html"), Force: force || place is null);
        if (inFolder) LivePage.WriteFolder(picture, details, model, to, cancel);
        else LivePage.WriteFile(picture, details, model, to, cancel);
        return (inFolder ? Path.Combine(to.Place, LivePage.Index) : to.Place, details.PageNote);
    }

    private RunPicture Picture(CancellationToken cancel)
    {
        var picture = RunPicture.Read(_run, Limits with
        {
            Subgraph = Subgraph is { } file ? SubgraphReader.Read(file) : null,
            IsBoxed = BoxContexts is not null,
        }, cancel);
        picture.NameFrom(Model);
        return picture;
    }

    private void RequireRun()
    {
        if (figure != "curve" && File.Exists(_run) && Path.GetExtension(_run) == ".parquet") throw FigureException.FileOfNoRun(_run);
    }
}
