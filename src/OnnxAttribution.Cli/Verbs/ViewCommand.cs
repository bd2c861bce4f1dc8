using System.CommandLine.Parsing;
using System.CommandLine;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Formats;
using OnnxAttribution.View;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>view</c>: pictures of a finished run, and its graph in other programs' formats.</summary>
internal static class ViewCommand
{
    private const string Description = """
        Draw a run: an HTML page that needs no network (the default), a static SVG, or its graph for Graphviz (dot), Neuronpedia and
        circuit-tracer (json), networkx and Gephi (graphml); with --figure a plot of one of its tables.

        Example: onnx-attribution view runs/copyright --format svg --edges 150 --out circuit.svg
        """;

    public static Command Create()
    {
        var run = new Argument<string>("RUN")
        {
            Description = "a run directory; for --figure curve also the Parquet file of a response curve"
        };
        var format = new Option<string>("--format")
        {
            Description = "what to write; default: a page",
            HelpName = string.Join('|', Drawing.Formats),
            DefaultValueFactory = _ => Drawing.Formats[0]
        };
        var figure = new Option<string?>("--figure")
        {
            Description = "an SVG plot of the run's strongest nodes, or of what ablate or validate added to it",
            HelpName = string.Join('|', Drawing.FigureNames)
        };
        var file = new Option<string?>("--out")
        {
            Description = "the file to write, whose ending says the format where --format does not; default: "
                + "graph.html, graph.svg and so on in the run, drawn anew",
            HelpName = "FILE"
        };
        var force = OutputOptions.Force("a file that is");
        var model = ModelOptions.OptionalModel(
            "the bundle whose features.parquet the page shows; default: where it was when the run was made");
        var nodes = new Option<int>("--nodes")
        {
            Description = "draw so many kept nodes at most, by |effect|",
            HelpName = "N",
            DefaultValueFactory = _ => new PictureLimits().Nodes
        };
        var edges = new Option<int?>("--edges")
        {
            Description = $"draw so many edges at most, by |effect| ({new PictureLimits().Edges}, in an SVG {PictureLimits.StillEdges}); "
                + "nodes that none is left at are not drawn",
            HelpName = "N"
        };
        var theme = new Option<string>("--theme")
        {
            Description = "colours of an SVG",
            HelpName = "light|dark",
            DefaultValueFactory = _ => "light"
        };
        var palette = new Option<string>("--palette")
        {
            Description = "colours of what raises and lowers, in an SVG; orange-blue for readers who mix up red and green",
            HelpName = "red-blue|orange-blue",
            DefaultValueFactory = _ => "red-blue"
        };
        format.AcceptOnlyFromAmong([.. Drawing.Formats]);
        figure.AcceptOnlyFromAmong([.. Drawing.FigureNames]);
        theme.AcceptOnlyFromAmong("light", "dark");
        palette.AcceptOnlyFromAmong("red-blue", "orange-blue");
        nodes.AtLeast(1);
        edges.AtLeast(0);
        var command = new Command("view", Description) { run, format, figure, file, force, model, nodes, edges, theme, palette };
        command.Validators.Add(result => Fits(result, format, figure, file, [nodes, edges], [theme, palette], model));
        command.Runs((parsed, cancel) =>
        {
            var written = Format(parsed.CommandResult, format, figure, file);
            var drawing = new Drawing(parsed.GetRequiredValue(run), written, parsed.GetValue(figure))
            {
                Model = parsed.GetValue(model),
                Limits = new PictureLimits(parsed.GetValue(nodes),
                    parsed.GetValue(edges) ?? (written == "svg" ? PictureLimits.StillEdges : new PictureLimits().Edges)),
                Theme = Theme(parsed.GetValue(theme) == "dark", parsed.GetValue(palette) == "orange-blue"),
            };
            var place = parsed.GetValue(file) ?? drawing.DefaultFile;
            // what lies in the run under its own name is of the run, and is drawn anew
            var replace = parsed.GetValue(force) || (parsed.GetValue(file) is null && drawing.IsOfRun);
            DrawingFile.CheckFree(place, replace);
            using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
            progress.Report("drawing");
            string? note;
            try
            {
                note = drawing.Write(place, replace, cancel);
            }
            finally
            {
                progress.Dispose();
            }
            var output = parsed.InvocationConfiguration.Output;
            output.WriteLine($"wrote {place} ({Screen.Bytes(new FileInfo(place).Length)})");
            if (note is not null) output.WriteLine($"note: {note}");
            return ExitCodes.Done;
        });
        return command;
    }

    private static SvgTheme Theme(bool dark, bool orange)
    {
        var theme = dark ? SvgTheme.Dark : SvgTheme.Light;
        return orange ? theme.ColourBlindSafe : theme;
    }

    // --figure's, --format's, or the one that the file's name asks for
    private static string Format(CommandResult result, Option<string> format, Option<string?> figure, Option<string?> file)
    {
        if (result.IsGiven(figure)) return "svg";
        if (result.GetResult(format) is { Implicit: false, Tokens: [var token, ..] }) return token.Value;
        return (result.GetResult(file) is { Tokens: [var name, ..] } ? Drawing.FormatOf(name.Value) : null) ?? Drawing.Formats[0];
    }

    // what is asked for is never passed over in silence
    private static void Fits(CommandResult result, Option<string> format, Option<string?> figure, Option<string?> file, Option[] ofGraphs,
        Option[] ofSvg, Option model)
    {
        bool Given(Option option) => result.IsGiven(option);
        var isFigure = Given(figure);
        string written;
        try
        {
            written = Format(result, format, figure, file);
            if (result.GetResult(file) is { Tokens: [var name, ..] } && Drawing.FormatOf(name.Value) is { } ending && ending != written)
            {
                result.AddError($"{name.Value} is named as {ending} and would hold {written}; "
                    + $"name it otherwise, or {(isFigure ? "leave --figure out" : $"give --format {ending}")}");
            }
        }
        catch (FigureException e)
        {
            result.AddError($"--out: {e.Message}");
            return;
        }
        if (isFigure && Given(format)) result.AddError("--figure is always an SVG, so --format contradicts it; give one of them");
        if (isFigure && ofGraphs.FirstOrDefault(Given) is { } limit)
        {
            result.AddError($"{limit.Name} is about the graph and --figure is not; give one of them");
        }
        if (written != "svg" && ofSvg.FirstOrDefault(Given) is { } colours)
        {
            result.AddError($"{colours.Name} goes with --format svg or --figure; a page has a button for it");
        }
        if (Given(model) && (isFigure || written != "html"))
        {
            result.AddError("--model goes with a page; no other picture shows what features stand for");
        }
    }
}
