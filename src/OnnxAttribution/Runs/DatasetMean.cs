using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>
/// The mean of a dataset's graphs, by parts, so that whoever was stopped goes on and shards share the work.
/// 1. While a prompt's graph is found, its nodes, kept or not, go into the sums of its part.
/// 2. Once all parts are whole, their sums are added up in the order of the parts, and the mean's nodes are chosen by the totals.
/// 3. Each prompt is run again for the edges between these nodes, with the effects of moved nodes as they were found.
/// 4. Once all parts have their edges, these are added up and chosen by the totals, and intervals are drawn.
/// </summary>
/// <remarks>What is kept is chosen by the means and never before (<see cref="GraphSum"/>).</remarks>
internal sealed class DatasetMean(LoadedModel model, GraphRequest request, DatasetDirectory dataset)
{
    private readonly CancellationToken _cancel = model.Context.Cancel;
    private readonly DatasetSums _sums = new(dataset, model.Context.Cancel);
    private GraphSum? _chosen;
    private Dictionary<(Site Site, int Feature), NodeSumRow> _totals = [];

    /// <summary>Chosen nodes and edges, once the mean was written here; null where it was not.</summary>
    public SummedGraph? Graph { get; private set; }

    /// <summary>run.json of the mean, likewise.</summary>
    public MergedRunRecord? Record { get; private set; }

    /// <summary>Step 1: what a prompt's graph leaves.</summary>
    public static IEnumerable<MovedRow> Moved(int line, CausalGraph graph) =>
        graph.Measured.All.Select(n => new MovedRow(line, n.Site.Name, n.Position, n.Feature, n.Effect, n.Method));

    /// <summary>Step 1: what a part's prompts leave.</summary>
    public static IEnumerable<NodeSumRow> Rows(GraphSum part) => part.Totals.Select(t => new NodeSumRow(t.Site.Name, t.Feature)
    {
        Active = t.Total.Active,
        Kept = t.Total.Kept,
        Activation = t.Total.Activation,
        PatchActivation = t.Total.PatchActivation,
        Effect = t.Total.Effect,
        Attribution = t.Total.Attribution,
        Exact = t.Total.Exact,
        SquaredError = t.Total.SquaredError,
        Method = t.Total.Method!,
    });

    /// <summary>Step 2. All parts must be whole.</summary>
    /// <returns>False: no prompt has a graph.</returns>
    /// <exception cref="RunDirectoryException">A part is damaged.</exception>
    public bool Choose()
    {
        var count = _sums.Prompts().Lines.Length;
        if (count == 0) return false;
        var sites = model.Selected.ToDictionary(site => site.Name);
        _totals = _sums.Nodes().ToDictionary(row => (sites[row.Site], row.Feature));
        _chosen = new GraphSum(model.Selected);
        _chosen.Take(_totals.Select(t => (t.Key.Site, t.Key.Feature, Total(t.Value))), count);
        _chosen.ChooseNodes(request.Graph);
        return true;
    }

    /// <summary>Step 3 of one part.</summary>
    /// <param name="lines">Its prompts.</param>
    /// <param name="ended">Told of each prompt when it has ended, by any thread.</param>
    /// <returns>False: another program is at it.</returns>
    /// <exception cref="RunDirectoryException">The part is damaged, or the dataset cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public bool TrySum(int part, IEnumerable<(int Line, PromptTask? Task, string? Error)> lines, Action ended)
    {
        using var writer = MeanPart.TryBegin(dataset, part, _cancel);
        if (writer is null) return false;
        var prompts = dataset.Rows<PromptRow>(part, _cancel).ToDictionary(row => row.Line);
        var moved = dataset.Rows<MovedRow>(part, _cancel).ToLookup(row => row.Line);
        var found = lines.Select(line => (prompts[line.Line], Tokens: prompts[line.Line].Error is null ? TokensOf(line.Task!) : null))
            .ToArray();
        foreach (var window in PromptWindows.Of([.. found.Select(p => p.Tokens)]))
        {
            foreach (var _ in found[window].Where(p => p.Tokens is null)) ended();
            Sum(writer, [.. found[window].Where(p => p.Tokens is not null).Select(p => (p.Item1, p.Tokens!))], moved, ended);
        }
        writer.Commit();
        return true;
    }

    private PromptTokens TokensOf(PromptTask task) => PromptTokens.Of(task, model.Tokenizer, request.PrependBos ?? model.PrependsBos);

    /// <summary>Step 4. All parts must have their edges.</summary>
    /// <returns>False: another program is at it.</returns>
    /// <exception cref="RunDirectoryException">A part is damaged, or the dataset cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public bool TryWrite() => dataset.TryWriteMean(Contents, _cancel);

    // side by side, in order
    private void Sum(MeanPart writer, IReadOnlyList<(PromptRow Row, PromptTokens Tokens)> window, ILookup<int, MovedRow> moved,
        Action ended)
    {
        var prompts = window.Select(p => new PromptRequest(p.Tokens.Clean, p.Tokens.Patch, request.Graph with
        {
            Metric = request.Graph.Metric with { Target = p.Row.TargetId ?? p.Tokens.Target, Foil = p.Row.FoilId ?? p.Tokens.Foil }
        }));
        var measured = window.Select(p => new MeasuredNodes(
            moved[p.Row.Line].Select(m => (model.Bundle.SiteNamed(m.Site), m.Position, m.Feature, m.Effect, m.Method))));
        var found = PromptGraphs.Edges(model, [.. prompts], [.. measured], _chosen!, ended);
        for (var i = 0; i < found.Length; i++) Add(writer, window[i].Row, found[i].Nodes, found[i].Edges);
    }

    private void Add(MeanPart writer, PromptRow row, IReadOnlyList<CausalNode> nodes, GraphSum sum)
    {
        var effects = new Dictionary<(Site Site, int Feature), double>();
        foreach (var node in nodes.Where(n => n.Kept))
        {
            effects[(node.Site, node.Feature)] = effects.GetValueOrDefault((node.Site, node.Feature)) + node.Effect;
        }
        var (edges, switchedOn) = sum.TakeEdges();
        writer.Add(effects.Select(e => new EffectRow(row.Line, e.Key.Site.Name, e.Key.Feature, e.Value)),
            edges.Select(e => Row(row.Line, e.Up, e.Down, e.Effect)).Concat(switchedOn.Select(s => Row(row.Line, s.Up, CausalEdge.Metric,
                s.Effect) with
            { DownSite = s.Down.Name, DownFeature = EdgeKeys.SwitchedOn })));
    }

    private EdgeSumRow Row(int line, int up, int down, double effect)
    {
        var nodes = _chosen!.Nodes;
        return down == CausalEdge.Metric
            ? new(line, nodes[up].Site.Name, nodes[up].Feature, RunNames.MetricSite, CausalNode.Error, effect)
            : new(line, nodes[up].Site.Name, nodes[up].Feature, nodes[down].Site.Name, nodes[down].Feature, effect);
    }

    private RunContents Contents()
    {
        var (lines, clean, patch) = _sums.Prompts();
        var (nodes, active) = (_chosen!.Nodes, new Dictionary<(int Up, int Down), int>());
        var (found, switchedOn) = Totals(lines.Length, active);
        var chosen = nodes.Select(n => n.Kept).ToArray();
        var edges = Selection.KeepEdges(nodes, found, request.Graph);
        Graph = new SummedGraph(nodes, edges, Selection.KeepSwitchedOn(nodes, switchedOn, edges, request.Graph));
        Record = RecordOf(Graph, lines.Length, clean, patch);
        var statistics = new MeanStatistics(_sums, lines, dataset.Record.Bootstrap!);
        return new(GraphRows.Of(nodes, _ => ""), GraphRows.Of(edges), TokenPosition.All, Record)
        {
            SwitchedOn = GraphRows.Of(Graph.SwitchedOn),
            OfNodes = statistics.OfNodes([.. nodes.Select((n, i) => (n, chosen[i], _totals[(n.Site, n.Feature)]))]),
            OfEdges = statistics.OfEdges(Graph, active),
        };
    }

    // in an order of their own: it decides between equal effects
    private (List<CausalEdge> Edges, List<SwitchedOnEdge> SwitchedOn) Totals(int count, Dictionary<(int Up, int Down), int> active)
    {
        var sites = model.Selected.ToDictionary(site => site.Name);
        var (edges, switchedOn) = (new List<CausalEdge>(), new List<SwitchedOnEdge>());
        foreach (var row in _sums.Edges())
        {
            var (up, effect) = (_chosen!.PlaceOf(sites[row.UpSite], row.UpFeature), (float)(row.Effect / count));
            if (row.DownFeature == EdgeKeys.SwitchedOn)
            {
                switchedOn.Add(new(up, sites[row.DownSite], effect));
                continue;
            }
            var down = row.DownSite == RunNames.MetricSite ? CausalEdge.Metric : _chosen.PlaceOf(sites[row.DownSite], row.DownFeature);
            edges.Add(new(up, down, float.NaN, effect));
            active[(up, down)] = row.Line;
        }
        var order = model.Selected.Select((site, i) => (site, i)).ToDictionary(p => p.site, p => p.i);
        return ([.. edges.OrderBy(e => e.Up).ThenBy(e => (uint)e.Down)], [.. switchedOn.OrderBy(s => s.Up).ThenBy(s => order[s.Down])]);
    }

    // nothing in it tells one execution from the next
    private MergedRunRecord RecordOf(SummedGraph graph, int prompts, double clean, double patch)
    {
        var shares = SiteShare.Measure(graph.Nodes, model.Selected);
        return new MergedRunRecord
        {
            Prompts = prompts,
            Metric = Metric.NameOf(request.Graph.Metric.Kind),
            CleanMetric = RecordParts.Finite((float)clean),
            PatchMetric = RecordParts.Finite((float)patch),
            Sites = RecordParts.Names(model),
            Options = RecordParts.OfMean(request, model) with { MemoryBytes = null },
            Nodes = graph.Nodes.Count,
            KeptNodes = graph.Nodes.Count(n => n.Kept),
            Edges = graph.Edges.Count,
            SwitchedOn = request.Graph.Edges == EdgeMethod.Exact ? graph.SwitchedOn.Count : null,
            ExplainedByFeatures = RecordParts.Finite(SiteShare.Total(shares)),
            ExplainedBySite = RecordParts.BySite(shares),
        }.WithProgram(model, null) with
        { PeakMemoryBytes = null, Device = null, Threads = null, FinishedAt = null };
    }

    private static NodeTotal Total(NodeSumRow row) => new(row.Activation, row.PatchActivation, row.Effect)
    {
        Attribution = row.Attribution,
        Exact = row.Exact,
        Method = row.Method,
        SquaredError = row.SquaredError,
        Active = row.Active,
        Kept = row.Kept,
    };
}
