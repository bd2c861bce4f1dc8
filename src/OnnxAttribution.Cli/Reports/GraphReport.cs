using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>A graph that was found, or merged, to be reported.</summary>
/// <param name="Record">run.json.</param>
/// <param name="TokenAt">Token text by position.</param>
internal sealed record ReportedGraph(RunRecord Record, IReadOnlyList<CausalNode> Nodes, IReadOnlyList<CausalEdge> Edges,
    IReadOnlyList<SwitchedOnEdge> SwitchedOn, Func<int, string> TokenAt)
{
    /// <summary>The parts of edges; empty where they were not split.</summary>
    public IReadOnlyList<HeadPart> Parts { get; init; } = [];

    /// <summary>The same as rows of heads.parquet.</summary>
    public IReadOnlyList<HeadRow> Heads { get; init; } = [];
}

/// <summary>What <c>graph</c> prints of one graph.</summary>
/// <param name="directory">The run's.</param>
/// <param name="page">null: none to speak of.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class GraphReport(ReportedGraph graph, string directory, PageOfRun? page, double seconds)
{
    private const int Shown = 12;

    private readonly RunRecord _record = graph.Record;
    private readonly IReadOnlyList<CausalNode> _nodes = graph.Nodes;
    private readonly IReadOnlyList<CausalEdge> _edges = graph.Edges;
    private readonly RunLabels _labels = RunLabels.Of(directory, graph.Record);

    /// <summary>run.json with the strongest nodes and edges and the files.</summary>
    public JsonObject ToJson()
    {
        var json = RunJson.ToObject(_record);
        json["strongest_nodes"] = new JsonArray([.. StrongestNodes().Select(NodeJson)]);
        json["strongest_edges"] = new JsonArray([.. StrongestEdges().Select(EdgeJson)]);
        if (_record.SwitchedOn is not null)
        {
            json["strongest_switched_on"] = new JsonArray([.. StrongestSwitchedOn(Shown).Select(SwitchedOnJson)]);
        }
        if (graph.Heads is { Count: > 0 } heads) json["strongest_heads"] = HeadListReport.Json(HeadTotal.Of(heads).Take(Shown));
        json["files"] = new JsonArray([.. Files().Select(f => new JsonObject { ["path"] = f.FullName, ["bytes"] = f.Length })]);
        json["page"] = page?.File;
        json["page_note"] = page?.Note;
        json["seconds_in_all"] = seconds;
        return json;
    }

    public void Print(TextWriter output)
    {
        var prompt = (GraphRunRecord)_record;
        PromptLines.Print(prompt, output);
        PrintGraph(output);
        output.WriteLine(TimingLine.Of(prompt, seconds));
        page?.Print(output);
    }

    /// <summary>Tables, shares and files: all but the prompt and the clock.</summary>
    public void PrintGraph(TextWriter output)
    {
        var console = Screen.On(output);
        console.Write(NodeTable());
        console.Write(EdgeTable());
        if (graph.Heads is { Count: > 0 } heads) console.Write(HeadListReport.Table(HeadTotal.Of(heads), Shown, _labels));
        console.Write(ShareTable());
        if (_record is GraphRunRecord { Validation: not null } validated)
        {
            new ValidationReport(validated, directory, seconds).PrintTables(output);
        }
        if (_record is GraphRunRecord { Certificate: not null } certified)
        {
            new CertificateReport(certified, directory, seconds).PrintTables(output);
        }
        if (_record is GraphRunRecord { ConservationViolation: { } violation, Options: var options })
        {
            var alternative = options?.Refine is null ? "" : "; with --refine off it is rounding";
            output.WriteLine($"conservation: largest |effect - sum of edges| over largest |effect| is {violation:G3}"
                + (IsRefined ? $" (what linear edges leave of nodes that were really moved{alternative})" : ""));
        }
        if (_record is GraphRunRecord { Outputs: { Count: > 0 } outputs } withOutputs) PrintOutputs(withOutputs, outputs, output);
        if (IsRefined) PrintRefined(output);
        if (_record.SwitchedOn is > 0 and var rows) PrintSwitchedOn(rows, output);
        if (_record is GraphRunRecord { HeadsViolation: { } off })
        {
            output.WriteLine($"heads: largest |effect - sum of its parts| of an edge over largest |effect| is {off:G3}");
        }
        if (_edges.Count == 0 && _record is GraphRunRecord { Options.Heads: { } only } && HeadName.TryParse(only) is not null)
        {
            output.WriteLine($"no edge between the strongest nodes passes head {only}: --top-nodes and --top-edges keep more of both, "
                + "and onnx-attribution heads RUN lists the heads that edges of a run with --heads pass");
        }
        PrintLumps(output);
        output.WriteLine($"kept {_nodes.Count(n => n.Kept):N0} of {_nodes.Count:N0} nodes, {_edges.Count:N0} edges");
        output.WriteLine($"wrote {directory}: {string.Join(", ", Files().Select(f => $"{f.Name} ({Screen.Bytes(f.Length)})"))}");
    }

    private void PrintLumps(TextWriter output)
    {
        if (!_nodes.Any(n => n.IsLump)) return;
        output.WriteLine($"errors: the {(_record as GraphRunRecord)?.Options?.TopErrors} strongest of a site are nodes, its others one "
            + "row at position -1, the sum of theirs (--top-errors)");
    }

    private bool ShowsAblation => (_record as GraphRunRecord)?.Options?.Sign == RunNames.AblationSign
        || (_record as MergedRunRecord)?.Options?.Sign == RunNames.AblationSign;

    private string Label(CausalNode node) => NodeLabel.Of(node, graph.TokenAt, _labels);

    private IEnumerable<CausalNode> StrongestNodes() =>
        _nodes.Where(n => n.Kept).OrderByDescending(n => AsPrinted(n.Effect)).Take(Shown);

    private IEnumerable<CausalEdge> StrongestEdges() =>
        _edges.OrderByDescending(e => AsPrinted(e.Effect)).ThenBy(e => e.Up).ThenBy(e => (uint)e.Down).Take(Shown);

    // effects that print alike stand in the order of the model, not in that of their rounding, which machines differ in
    private static double AsPrinted(float effect) =>
        double.Parse(Math.Abs(effect).ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private IEnumerable<SwitchedOnEdge> StrongestSwitchedOn(int count) =>
        graph.SwitchedOn.OrderByDescending(s => Math.Abs(s.Effect)).Take(count);

    private void PrintSwitchedOn(int rows, TextWriter output)
    {
        var strongest = StrongestSwitchedOn(1).Single();
        output.WriteLine($"switched on, that is no nodes (down_feature -2): {rows:N0} {(rows == 1 ? "row" : "rows")}, the strongest "
            + $"{Label(_nodes[strongest.Up])} → {strongest.Down.Name} ({Screen.Number(strongest.Effect)})");
    }

    private static void PrintOutputs(GraphRunRecord record, IReadOnlyList<OutputRecord> outputs, TextWriter output)
    {
        output.WriteLine("outputs: " + string.Join(", ",
            outputs.Select(o => $"{DisplayText.Quoted(o.Token ?? "")} {Screen.Number(o.Probability ?? float.NaN)}")));
        output.WriteLine($"replacement score {Screen.Number((float)(record.ReplacementScore ?? double.NaN))}, completeness score "
            + $"{Screen.Number((float)(record.CompletenessScore ?? double.NaN))}, of the graph before pruning");
    }

    private void PrintRefined(TextWriter output)
    {
        var kept = _nodes.Where(n => n.Kept).ToList();
        var unreliable = kept.Count(n => n.IsUnreliable);
        var exact = _nodes.Count(n => n.Method == NodeMethods.Exact);
        output.WriteLine($"refined: {exact:N0} of {_nodes.Count:N0} nodes are exact; of the kept ones "
            + $"{kept.Count(n => n.Method == NodeMethods.Exact):N0} are, "
            + $"and {unreliable:N0} may be off by more than half, even in sign ('?')");
    }

    private IEnumerable<FileInfo> Files() => new DirectoryInfo(directory)
        .EnumerateFiles()
        .OrderByDescending(f => f.Name.EndsWith(".parquet", StringComparison.Ordinal))
        .ThenByDescending(f => f.Name);

    private Table NodeTable()
    {
        string[] patch = _record is GraphRunRecord { PatchPrompt: not null } ? ["#patch"] : [];
        string[] by = IsRefined ? ["by"] : [];
        var table = Screen.Table("Strongest nodes", ["node", "#activation", .. patch, .. Signs(), .. by]);
        foreach (var n in StrongestNodes())
        {
            string[] patched = patch.Length > 0 ? [Screen.Number(n.PatchActivation)] : [];
            string[] method = by.Length > 0 ? [n.Method + (n.IsUnreliable ? " ?" : "")] : [];
            table.AddRow([Label(n), Screen.Number(n.Activation), .. patched, .. Numbers(n.Contribution, n.Effect), .. method]);
        }
        return table;
    }

    // whether any node was really moved
    private bool IsRefined => _nodes.Any(n => NodeMethods.IsMeasured(n.Method) || n.Method == NodeMethods.Mixed);

    // what is read first comes first
    private string[] Signs() => ShowsAblation ? ["#effect", "#contribution"] : ["#contribution", "#effect"];

    private string[] Numbers(float contribution, float effect) => ShowsAblation
        ? [Screen.Number(effect), Screen.Number(contribution)] : [Screen.Number(contribution), Screen.Number(effect)];

    private Table EdgeTable()
    {
        var exact = _record.SwitchedOn is not null;
        var parts = graph.Parts.ToLookup(p => (p.Up, p.Down));
        string[] change = exact ? ["#change"] : [], part = graph.Parts.Count > 0 ? ["strongest part"] : [];
        var table = Screen.Table("Strongest edges", ["upstream", "downstream", "#jacobian", .. change, .. Signs(), .. part]);
        foreach (var e in StrongestEdges())
        {
            string[] changed = exact ? [Screen.Number(e.Change)] : [];
            string[] most = graph.Parts.Count > 0 ? [Strongest(parts[(e.Up, e.Down)])] : [];
            table.AddRow([Label(_nodes[e.Up]), e.Down == CausalEdge.Metric ? "metric" : Label(_nodes[e.Down]), Screen.Number(e.Jacobian),
                .. changed, .. Numbers(e.Contribution, e.Effect), .. most]);
        }
        return table;
    }

    // of an edge, such as "2.0 key -2.94"
    private string Strongest(IEnumerable<HeadPart> parts) => parts.MaxBy(p => Math.Abs(p.Effect)) is { Effect: not 0 } most
        ? $"{(most.Head is { } head ? $"{head} " : "")}{EnumName.Of(most.Way)} "
            + Screen.Number(ShowsAblation ? most.Effect : -most.Effect)
        : "";

    private Table ShareTable()
    {
        var shares = SiteShare.Measure(_nodes, [.. _nodes.Select(n => n.Site).Distinct()]);
        var table = Screen.Table("Effect by site", "site", "#nodes", "#kept", "#sum of |effect|", "#by features");
        foreach (var s in shares)
        {
            table.AddRow(s.Site.Name, $"{s.Nodes:N0}", $"{s.Kept:N0}", Screen.Number(s.All), Screen.Percent(s.ExplainedByFeatures));
        }
        table.AddRow("all sites", $"{shares.Sum(s => s.Nodes):N0}", $"{shares.Sum(s => s.Kept):N0}", Screen.Number(shares.Sum(s => s.All)),
            Screen.Percent(SiteShare.Total(shares)));
        return table;
    }

    private JsonObject NodeJson(CausalNode n) => new()
    {
        ["label"] = Label(n),
        ["site"] = n.Site.Name,
        ["position"] = n.Position,
        ["feature"] = n.Feature,
        ["activation"] = Number(n.Activation),
        ["patch_activation"] = Number(n.PatchActivation),
        ["gradient"] = Number(n.Gradient),
        ["effect"] = Number(n.Effect),
        ["contribution"] = Number(n.Contribution),
        ["attribution"] = Number(n.Attribution),
        ["exact"] = Number(n.Exact),
        ["method"] = n.Method,
        ["effect_error"] = Number(n.EffectError),
    };

    private JsonObject EdgeJson(CausalEdge e) => new()
    {
        ["upstream"] = Label(_nodes[e.Up]),
        ["downstream"] = e.Down == CausalEdge.Metric ? "metric" : Label(_nodes[e.Down]),
        ["jacobian"] = Number(e.Jacobian),
        ["change"] = Number(e.Change),
        ["effect"] = Number(e.Effect),
        ["contribution"] = Number(e.Contribution),
    };

    private JsonObject SwitchedOnJson(SwitchedOnEdge s) => new()
    {
        ["upstream"] = Label(_nodes[s.Up]),
        ["downstream"] = s.Down.Name,
        ["effect"] = Number(s.Effect),
    };

    private static JsonValue? Number(float value) => float.IsFinite(value) ? JsonValue.Create(value) : null;
}
