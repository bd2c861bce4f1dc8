using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>ablate</c> prints of one prompt's exact graph.</summary>
/// <param name="record">run.json.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class AblateGraphReport(AblationRun run, AblationRunRecord record, string directory, PageOfRun page, double seconds)
{
    private const int Strongest = 12;

    private readonly AblationGraph _graph = run.Graph;
    private readonly RunLabels _labels = RunLabels.Of(directory, record);

    /// <summary>run.json with the strongest ablations and edges and the files.</summary>
    public JsonObject ToJson()
    {
        var json = RunJson.ToObject(record);
        json["strongest_nodes"] = new JsonArray([.. StrongestNodes().Select(NodeJson)]);
        json["strongest_edges"] =
            new JsonArray([.. StrongestEdges()
                .Select(e => new JsonObject { ["upstream"] = Label(e.Up), ["downstream"] = Label(e.Down), ["effect"] = e.Effect })]);
        json["files"] = new JsonArray([.. Files().Select(f => new JsonObject { ["path"] = f.FullName, ["bytes"] = f.Length })]);
        json["page"] = page.File;
        json["page_note"] = page.Note;
        json["seconds_in_all"] = seconds;
        return json;
    }

    public void Print(TextWriter output)
    {
        var options = run.Request.Ablation;
        PromptLines.Print(record, output);
        output.WriteLine($"ablated  {Screen.Count(_graph.Ablated, "feature")}, {Where(options.Positions)}, activations × "
            + $"{Screen.Number(options.Coefficient)}; read at "
            + $"{(options.Measure == AblationMeasure.All ? "all positions" : "the last position")} of the next sites");
        var console = Screen.On(output);
        if (options.Logits && StrongestNodes().Any()) console.Write(NodeTable());
        if (StrongestEdges().Any()) console.Write(EdgeTable());
        output.WriteLine(Heading(options));
        foreach (var chain in _graph.Chains) output.WriteLine("  " + Chain(chain));
        output.WriteLine($"kept {_graph.Nodes.Count(n => n.Kept):N0} of {_graph.Nodes.Count:N0} nodes, "
            + $"{_graph.Edges.Count:N0} of {_graph.EdgesSeen:N0} edges");
        output.WriteLine($"wrote {directory}: {string.Join(", ", Files().Select(f => $"{f.Name} ({Screen.Bytes(f.Length)})"))}");
        output.WriteLine(TimingLine.Of(record, seconds));
        page.Print(output);
    }

    private string Heading(AblationOptions options) =>
        _graph.Chains.Count > 0 ? $"chains of {Screen.Count(_graph.MinPath, "edge")} or more, strongest first:"
        : options.Coefficient == 1 ? "no chain: activations × 1 are what they were"
        : record.Sites!.Count == 1
            ? "no chain: there is one site only, and no next one whose features could change; give --sites two or more"
        : $"no chain of {Screen.Count(_graph.MinPath, "edge")} or more: lower --min-path or --threshold, or raise --top-edges";

    private static string Where(AblationPositions positions) => positions switch
    {
        AblationPositions.All => "each at all its positions together",
        AblationPositions.Last => "at the last position",
        _ => "one position at a time",
    };

    private string Chain(IReadOnlyList<int> chain)
    {
        var nodes = chain.Select(e => _graph.Nodes[_graph.Edges[e].Down]).Prepend(_graph.Nodes[_graph.Edges[chain[0]].Up]);
        // ablated at all positions together, a chain is one of features; each effect is the largest over positions
        var labels = nodes.Select(n =>
            NodeLabel.Of(run.Request.Ablation.Positions == AblationPositions.All ? n with { Position = -1 } : n, run.TextAt,
                _labels));
        return $"{string.Join(" → ", labels)}   ({string.Join(", ", chain.Select(e => Screen.Number(_graph.Edges[e].Effect)))})";
    }

    private IEnumerable<int> StrongestNodes() =>
        Enumerable.Range(0, _graph.Nodes.Count)
            .Where(i => !float.IsNaN(_graph.Nodes[i].Effect) && _graph.Nodes[i].Effect != 0)
            .OrderByDescending(i => Math.Abs(_graph.Nodes[i].Effect))
            .Take(Strongest);

    private IEnumerable<CausalEdge> StrongestEdges() =>
        _graph.Edges.Where(e => e.Down != CausalEdge.Metric).OrderByDescending(e => Math.Abs(e.Effect)).Take(Strongest);

    private IEnumerable<FileInfo> Files() =>
        new DirectoryInfo(directory).EnumerateFiles().OrderByDescending(f => f.Extension == ".parquet").ThenByDescending(f => f.Name);

    private string Label(int node) => node == CausalEdge.Metric ? "metric" : NodeLabel.Of(_graph.Nodes[node], run.TextAt, _labels);

    private Table NodeTable()
    {
        var table = Screen.Table("Strongest ablations", "node", "#activation", $"#{record.Metric} changes by",
            "most up", "most down");
        table.Columns[0].NoWrap = true;
        var moved = Moved();
        foreach (var i in StrongestNodes())
        {
            table.AddRow(Label(i), Screen.Number(_graph.Nodes[i].Activation), Screen.Number(_graph.Nodes[i].Effect),
                Most(moved[i], up: true), Most(moved[i], up: false));
        }
        return table;
    }

    private Table EdgeTable()
    {
        var table = Screen.Table("Strongest edges", "ablated", "downstream", "#before", "#changes by");
        foreach (var e in StrongestEdges())
        {
            table.AddRow(Label(e.Up), Label(e.Down), Screen.Number(_graph.Nodes[e.Down].Activation), Screen.Number(e.Effect));
        }
        return table;
    }

    private ILookup<int, NodeTokenChange> Moved() => _graph.Tokens.Where(l => l.Rank == 1).ToLookup(l => l.Node);

    private string Most(IEnumerable<NodeTokenChange> moved, bool up) =>
        moved.FirstOrDefault(l => l.IsUp == up) is { Rank: 1, Change: var c }
            ? $"{DisplayText.Quoted(run.Model.TokenText(c.Token))} {Screen.Percent(c.Clean)} → {Screen.Percent(c.Ablated)}"
            : "–";

    private JsonObject NodeJson(int i)
    {
        var n = _graph.Nodes[i];
        return new JsonObject
        {
            ["label"] = Label(i),
            ["site"] = n.Site.Name,
            ["position"] = n.Position,
            ["feature"] = n.Feature,
            ["activation"] = n.Activation,
            ["effect"] = n.Effect,
            ["tokens"] = new JsonArray([.. _graph.Tokens.Where(l => l.Node == i).Select(l => new JsonObject
            {
                ["direction"] = l.IsUp ? "up" : "down",
                ["rank"] = l.Rank,
                ["id"] = l.Change.Token,
                ["token"] = run.Model.TokenText(l.Change.Token),
                ["clean_probability"] = (float)l.Change.Clean,
                ["ablated_probability"] = (float)l.Change.Ablated,
            })]),
        };
    }
}
