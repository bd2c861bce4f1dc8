using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Comparison;
using OnnxAttribution.Store;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Formats;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>view</c>: pictures of a finished run, and its graph in other programs' formats.</summary>
internal sealed partial class ViewCommand
{
    private const string Description = """
        Draw a run: an HTML page that needs no network (the default), a still picture (svg, png, pdf), or its graph for Graphviz
        (dot), Neuronpedia and circuit-tracer (json), networkx and Gephi (graphml); with --figure a plot of one of its tables; with
        --live a page in which the model runs, so that features can be edited there. Two runs: a page that compares them.

        Example: onnx-attribution view runs/copyright --format svg --edges 150 --out circuit.svg
        """;

    private readonly Argument<string[]> _runs = new("RUN")
    {
        Description = "a run directory, or that of many prompts' graphs, whose page lists them; for --figure curve also a response "
            + "curve's Parquet file; two runs: a page that compares them",
        Arity = new ArgumentArity(1, 2),
    };
    private readonly Option<string> _align = AlignmentOption.Create();
    private readonly Option<string> _format =
        ChoiceOptions.OneOf("--format", "what to write; default: a page", [.. Drawing.Formats]);
    private readonly Option<string?> _figure = new("--figure")
    {
        Description = "a plot (svg, png, pdf) of the run's strongest nodes, of what ablate or validate added to it, or of what lens wrote",
        HelpName = string.Join('|', Drawing.FigureNames)
    };
    private readonly Option<string?> _file = new("--out")
    {
        Description = "the file to write, whose ending says the format where --format does not; with --format json also a folder "
            + "for circuit-tracer's page, which further graphs are added to; default: graph.html, graph.svg and so on in the run, "
            + "drawn anew",
        HelpName = "FILE"
    };
    private readonly Option<bool> _boxes = new("--boxes")
    {
        Description = "a figure for print: each node a box with its label, contexts, and the tokens that it promotes and suppresses; "
            + "svg, png or pdf"
    };
    private readonly Option<int> _contexts = NumberOptions.Whole("--contexts", "with --boxes, so many contexts a box", 3, least: 0);
    private readonly Option<bool> _force = OutputOptions.Force("a file or graph that is");
    private readonly Option<bool> _live = new("--live")
    {
        Description = "a page that runs the model itself: edit features and the prompt, and see next tokens and exact effects; one file "
            + "up to 60 MB, or with a folder for --out scripts beside it that hold the weights"
    };
    private readonly Option<string?> _slug = new("--slug")
    {
        Description = "with --format json, the graph's name in a viewer (small letters, digits and hyphens); default: the run's",
        HelpName = "NAME"
    };
    private readonly Option<string?> _model = ModelOptions.OptionalModel("the bundle whose features the page, still pictures and "
        + "--format json name; default: where it was when the run was made");
    private readonly Option<string?> _subgraph = new("--subgraph")
    {
        Description = "with a page or --format json, nodes that are pinned, grouped and labelled at first: a subgraph.json that a page "
            + "saved, or graph JSON of the run with pinnedIds and supernodes",
        HelpName = "FILE"
    };
    private readonly Option<int?> _nodes = new("--nodes")
    {
        Description = $"draw so many kept nodes at most, by |effect| ({new PictureLimits().Nodes}, "
            + $"with --boxes {PictureLimits.BoxNodes})",
        HelpName = "N"
    };
    private readonly Option<int?> _edges = new("--edges")
    {
        Description = $"draw so many edges at most, by |effect| ({new PictureLimits().Edges}, "
            + $"in a still picture {PictureLimits.StillEdges}, with --boxes {PictureLimits.BoxEdges}); "
            + "nodes that none is left at are not drawn",
        HelpName = "N"
    };
    private readonly Option<int?> _component = new("--component")
    {
        Description = "draw one of the graph's separate circuits: the parts that no edge but those into the metric joins, 1 being the one "
            + "with the strongest edge",
        HelpName = "N"
    };
    private readonly Option<string> _theme = ChoiceOptions.OneOf("--theme", "colours of a still picture", "light", "dark");
    private readonly Option<string> _palette = ChoiceOptions.OneOf("--palette",
        "colours of what raises and lowers, in a still picture; orange-blue for readers who mix up red and green",
        "red-blue", "orange-blue");

    private ViewCommand()
    {
        _figure.AcceptOnlyFromAmong([.. Drawing.FigureNames]);
        _nodes.AtLeast(1);
        _edges.AtLeast(0);
        _component.AtLeast(1);
    }

    public static Command Create() => new ViewCommand().Made();

    private Command Made()
    {
        var command = new Command("view",
            Description)
        {
            _runs, _format, _figure, _live, _boxes, _contexts, _file, _slug, _force, _model, _subgraph, _nodes, _edges, _component,
            _theme, _palette, _align
        };
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var drawing = DrawingOf(parsed);
        if (parsed.GetRequiredValue(_runs) is [_, _]) return RunPair(drawing, parsed, cancel);
        if (parsed.GetValue(_live)) return RunLive(drawing, parsed, cancel);
        if (drawing.MeanOfIndex is { } mean) RequireOfIndex(parsed, mean);
        if (parsed.GetValue(_file) is { } folder && Format(parsed.CommandResult) == "json" && Drawing.IsFolder(folder))
        {
            return RunFolder(drawing.FolderAt(folder, parsed.GetValue(_force)), drawing, parsed, cancel);
        }
        var place = parsed.GetValue(_file) is { } named ? ResultFile.Named(named) : drawing.DefaultFile;
        // what lies in the run under its own name is of the run, and is drawn anew
        var replace = parsed.GetValue(_force) || (parsed.GetValue(_file) is null && drawing.IsOfRun);
        DrawingFile.CheckFree(place, replace);
        IReadOnlyList<string> notes;
        using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
        {
            progress.Report("drawing");
            notes = drawing.Write(place, replace, cancel);
        }
        var output = parsed.InvocationConfiguration.Output;
        output.WriteLine($"wrote {place} ({Screen.Bytes(new FileInfo(place).Length)})");
        foreach (var note in notes) output.WriteLine($"note: {note}");
        return ExitCodes.Done;
    }

    private int RunPair(Drawing drawing, ParseResult parsed, CancellationToken cancel)
    {
        var (runs, force) = (parsed.GetRequiredValue(_runs), parsed.GetValue(_force));
        var place = ResultFile.Named(parsed.GetRequiredValue(_file)!);
        DrawingFile.CheckFree(place, force);
        string? note;
        using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
        {
            progress.Report("comparing");
            var comparison = RunComparison.Read(runs[0], runs[1], AlignmentOption.Of(parsed.GetRequiredValue(_align)), cancel);
            progress.Report("drawing");
            note = ComparisonPage.Write(comparison, place, (force, drawing.Model, drawing.Limits), cancel);
        }
        var output = parsed.InvocationConfiguration.Output;
        output.WriteLine($"wrote {place} ({Screen.Bytes(new FileInfo(place).Length)})");
        if (note is not null) output.WriteLine($"note: {note}");
        return ExitCodes.Done;
    }

    // all options but where the page goes are about one graph
    private void RequireOfIndex(ParseResult parsed, string mean)
    {
        Option[] ofIndex = [_format, _file, _force];
        if (parsed.CommandResult.Command.Options.Except(ofIndex).FirstOrDefault(parsed.CommandResult.IsGiven) is { } other)
        {
            throw new UsageException($"{other.Name} is about one graph, and {parsed.GetRequiredValue(_runs)[0]} is of many prompts, "
                + $"which its page lists; name one of the runs in it, or their mean: {mean}");
        }
    }

    private int RunLive(Drawing drawing, ParseResult parsed, CancellationToken cancel)
    {
        string page;
        string? note;
        using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
        {
            progress.Report("packing the model");
            (page, note) = drawing.WriteLive(parsed.GetValue(_file), parsed.GetValue(_force), cancel);
        }
        var output = parsed.InvocationConfiguration.Output;
        var bytes = new DirectoryInfo(Path.GetDirectoryName(Path.GetFullPath(page))!).EnumerateFiles()
            .Where(f => f.FullName == Path.GetFullPath(page) || f.Name.StartsWith("weights-", StringComparison.Ordinal)).Sum(f => f.Length);
        output.WriteLine($"wrote {page} ({Screen.Bytes(bytes)}): open it in a browser");
        if (note is not null) output.WriteLine($"note: {note}");
        return ExitCodes.Done;
    }

    private static int RunFolder(GraphFolder folder, Drawing drawing, ParseResult parsed, CancellationToken cancel)
    {
        folder.RequireFree();
        GraphFolderSummary summary;
        string? note;
        using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
        {
            progress.Report("drawing");
            (summary, note) = drawing.WriteFolder(folder, cancel);
        }
        var output = parsed.InvocationConfiguration.Output;
        output.WriteLine($"wrote {folder.GraphPath} ({Screen.Bytes(new FileInfo(folder.GraphPath).Length)}), "
            + $"{folder.FeaturesPath} ({Screen.Count(summary.Features, "feature")}), "
            + $"{folder.ListPath} ({Screen.Count(summary.Graphs, "graph")})");
        if (note is not null) output.WriteLine($"note: {note}");
        output.WriteLine($"page 'circuit-tracer start-server --graph_file_dir {Path.GetDirectoryName(folder.ListPath)}' shows it");
        return ExitCodes.Done;
    }

    private Drawing DrawingOf(ParseResult parsed)
    {
        var format = Format(parsed.CommandResult);
        var boxes = parsed.GetValue(_boxes);
        var limits = boxes ? new PictureLimits(PictureLimits.BoxNodes, PictureLimits.BoxEdges)
            : Drawing.StillFormats.Contains(format) ? new PictureLimits(Edges: PictureLimits.StillEdges) : new PictureLimits();
        var theme = parsed.GetValue(_theme) == "dark" ? SvgTheme.Dark : SvgTheme.Light;
        return new Drawing(parsed.GetRequiredValue(_runs)[0], format, parsed.GetValue(_figure))
        {
            Model = parsed.GetValue(_model),
            Subgraph = parsed.GetValue(_subgraph),
            Slug = parsed.GetValue(_slug),
            BoxContexts = boxes ? parsed.GetValue(_contexts) : null,
            Limits = new PictureLimits(parsed.GetValue(_nodes) ?? limits.Nodes, parsed.GetValue(_edges) ?? limits.Edges)
            {
                Component = parsed.GetValue(_component)
            },
            Theme = parsed.GetValue(_palette) == "orange-blue" ? theme.ColourBlindSafe : theme,
        };
    }

    // --format's, or the one that the file's name asks for, or the default of what is drawn
    private string Format(CommandResult result)
    {
        if (result.GetResult(_format) is { Implicit: false, Tokens: [var token, ..] }) return token.Value;
        return (result.GetResult(_file) is { Tokens: [var name, ..] } ? Drawing.FormatOf(name.Value) : null)
            ?? (IsStill(result) ? Drawing.StillFormats : Drawing.Formats)[0];
    }
}
