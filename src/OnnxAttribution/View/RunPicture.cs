using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>A finished run as drawings need it: what is drawn of its kept nodes and edges, and what run.json says.</summary>
internal sealed class RunPicture
{
    private RunPicture()
    {
    }

    /// <summary>The run directory.</summary>
    public required string Path { get; init; }

    public required PictureHeader Header { get; init; }

    /// <summary>Sites that have drawn nodes, in the order of computation.</summary>
    public required IReadOnlyList<Site> Sites { get; init; }

    /// <summary>By site, position and feature, the error node first; the metric comes last.</summary>
    public required IReadOnlyList<PictureNode> Nodes { get; init; }

    /// <summary>By falling |effect|; between equals as the file has them.</summary>
    public required IReadOnlyList<PictureEdge> Edges { get; init; }

    /// <summary>Everything of the run: every node, kept or not.</summary>
    public required StoredRun Stored { get; init; }

    /// <summary>Parts of edges by attention heads; empty where the run has none.</summary>
    public IReadOnlyList<HeadRow> Heads { get; private set; } = [];

    /// <summary>What nodes give output tokens, of a graph of transcoders; empty where there are none.</summary>
    public IReadOnlyList<TargetRow> Targets { get; private set; } = [];

    /// <summary>Pairs of the scores that were split; empty where none was.</summary>
    public IReadOnlyList<ScorePairRow> Scores { get; private set; } = [];

    /// <summary>The prompts of a merged graph; none of another.</summary>
    public MergedPrompts Prompts { get; private set; } = MergedPrompts.None;

    /// <summary>The metric's clean value; NaN where the run does not say, and of prompts whose metrics are about different tokens: a mean
    /// of these is nothing that anybody measures.</summary>
    public double CleanMetric => Prompts.AreOfOneMetric(Header) ? Header.CleanMetric : double.NaN;

    /// <inheritdoc cref="CleanMetric"/>
    public double PatchMetric => Prompts.AreOfOneMetric(Header) ? Header.PatchMetric : double.NaN;

    /// <summary>What its features are said to stand for.</summary>
    public RunLabels Labels { get; private set; } = RunLabels.None;

    /// <summary>The other of two runs that are drawn as one, <see cref="Path"/> being the first, and whether positions do not count;
    /// null: one run is drawn.</summary>
    public (string Run, bool ByFeature)? ComparedWith { get; set; }

    /// <summary>Chosen nodes, of which each is drawn, by the run's names of its sites; null: none are.</summary>
    public Subgraph? Subgraph { get; private init; }

    /// <summary>The separate circuit that alone is drawn; null: all are.</summary>
    public int? Component { get; private init; }

    /// <summary>Groups that features may be put in; null: nobody has looked for alike decoder rows.</summary>
    public SuggestedGroups? Suggested { get; set; }

    /// <summary>A node's label, the reader's own before the bundle's; null: it has none.</summary>
    public string? LabelOf(PictureNode node) => node.IsMetric ? null
        : Subgraph?.LabelOf(node.Site!.Name, node.Feature) ?? (node.IsError ? null : Labels[node.Site!.Name, node.Feature]?.Label);

    /// <summary>Reads labels from where the run's bundle is now.</summary>
    /// <param name="bundle">Its directory; null: where it was when the run was made.</param>
    public void NameFrom(string? bundle)
    {
        if (bundle is not null) Labels = RunLabels.OfMoved(Stored.Record, bundle);
    }

    /// <summary>The drawn features, each once, in the order of <see cref="Nodes"/>.</summary>
    public IEnumerable<(Site Site, int Feature)> Features =>
        Nodes.Where(n => !n.IsMetric && !n.IsError && !n.IsToken).Select(n => (n.Site!, n.Feature)).Distinct();

    /// <summary>How many nodes the run has kept; <see cref="Nodes"/> holds the strongest of them, and the metric.</summary>
    public required int KeptNodes { get; init; }

    /// <summary>No node stands at a position: a run summed over positions, or merged.</summary>
    public required bool IsAggregated { get; init; }

    /// <summary>Index of the metric in <see cref="Nodes"/>.</summary>
    public int Metric => Nodes.Count - 1;

    /// <summary>Reads a run and chooses what is drawn.</summary>
    /// <param name="path">The run directory.</param>
    /// <exception cref="RunDirectoryException">The directory is no finished run, or a file is damaged.</exception>
    /// <exception cref="SubgraphException">A chosen node is none of the run's.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static RunPicture Read(string path, PictureLimits? limits = null, CancellationToken cancel = default)
    {
        var stored = RunDirectory.Read(path, cancel);
        if (limits?.IsBoxed == true) stored = JoinedEnds.Of(stored);
        var exact = RunDirectory.HasTable(path, ValidationRow.Table) ? ExactEffects(path, stored.Record, cancel) : [];
        var picture = Of(path, stored, exact, limits ?? new PictureLimits());
        (picture.Heads, picture.Scores) = (Rows<HeadRow>(path, cancel), Rows<ScorePairRow>(path, cancel));
        picture.Targets = Rows<TargetRow>(path, cancel);
        picture.Prompts = MergedPrompts.Of(path, stored.Record, cancel);
        return picture;
    }

    /// <param name="exact">Exact effects of validated nodes.</param>
    internal static RunPicture Of(string path, StoredRun stored, IReadOnlyDictionary<(string Site, int Position, int Feature), float> exact,
        PictureLimits limits)
    {
        var header = new PictureHeader(stored.Record);
        var circuits = SeparateCircuits.Of(stored.Nodes.Count, stored.Edges.Span);
        if (limits.Component is { } asked) RunDirectoryException.RequireCircuit(path, asked, circuits);
        var subgraph = limits.Subgraph is { } given ? SubgraphNodes.Named(given, stored, path) : null;
        var (places, edges) = Choose(stored, limits, circuits, SubgraphNodes.Of(subgraph, stored));
        var order = SiteOrder(stored);
        places = [.. places.OrderBy(i => order[stored.Nodes[i].Site])
            .ThenBy(i => stored.Nodes[i].Position)
            .ThenBy(i => stored.Nodes[i].Feature)];
        var index = places.Select((place, i) => (place, i)).ToDictionary(p => p.place, p => p.i);
        var sites = order.Keys.Select(name => (name, Site: Site.Parse(name))).ToDictionary(s => s.name, s => s.Site);
        // where all are summed over positions, a site's error is one node and no rest of others
        var lumps = header.LumpsErrors && stored.Nodes.Any(n => n.Position >= 0);
        var nodes = places.Select(i => Node(stored.Nodes[i], sites[stored.Nodes[i].Site], exact, header) with
        {
            IsLump = lumps && IsLump(stored.Nodes[i], sites[stored.Nodes[i].Site]),
            Component = circuits[i],
        }).ToList();
        nodes.Add(new PictureNode(null, stored.MetricPosition ?? TokenPosition.All, "", -1, (float)header.CleanMetric,
            (float)header.PatchMetric, float.NaN, float.NaN));
        return new RunPicture
        {
            Path = path,
            Header = header,
            Sites = [.. order.Where(o => nodes.Any(n => n.Site?.Name == o.Key)).OrderBy(o => o.Value).Select(o => sites[o.Key])],
            Nodes = nodes,
            Edges =
                [.. edges.Select(e => Edge(e, index[e.Up], e.Down == CausalEdge.Metric ? nodes.Count - 1 : index[e.Down], nodes, header))],
            Stored = stored,
            Labels = RunLabels.Of(path, stored.Record),
            Subgraph = subgraph,
            Component = limits.Component,
            KeptNodes = stored.Nodes.Count(n => n.Kept),
            IsAggregated = nodes.Count > 1 && nodes.All(n => n.Position < 0),
        };
    }

    private static (List<int> Nodes, List<CausalEdge> Edges) Choose(StoredRun stored, PictureLimits limits, int[] circuits,
        IReadOnlySet<int> chosen)
    {
        var kept = Enumerable.Range(0, stored.Nodes.Count)
            .Where(i => stored.Nodes[i].Kept && (limits.Component is null || circuits[i] == limits.Component))
            .OrderByDescending(i => Math.Abs(Known(stored.Nodes[i].Effect)))
            .Take(limits.Nodes)
            .ToHashSet();
        kept.UnionWith(chosen);
        var between = new List<CausalEdge>();
        foreach (var e in stored.Edges.Span)
        {
            if (kept.Contains(e.Up) && (e.Down == CausalEdge.Metric || kept.Contains(e.Down))) between.Add(e);
        }
        var edges = between.OrderByDescending(e => Math.Abs(e.Effect)).Take(limits.Edges).ToList();
        var cut = edges.Count < between.Count || (limits.IsBoxed && edges.Count > 0);
        if (cut) kept.IntersectWith(edges.SelectMany(e => (int[])[e.Up, e.Down]).Concat(chosen));
        return ([.. kept], edges);
    }

    // run.json lists the selected sites in the order of computation; a run from elsewhere may not
    private static Dictionary<string, int> SiteOrder(StoredRun stored)
    {
        var result = new Dictionary<string, int>();
        foreach (var name in (stored.Record.Sites ?? []).Concat(stored.Nodes.Select(n => n.Site))) result.TryAdd(name, result.Count);
        return result;
    }

    private static PictureNode Node(in NodeRow row, Site site, IReadOnlyDictionary<(string, int, int), float> exact,
        PictureHeader header) =>
        new(
            site, row.Position, row.Token, row.Feature, row.Activation, row.PatchActivation, row.Gradient, row.Effect,
            exact.TryGetValue((row.Site, row.Position, row.Feature), out var e) ? e : header.IsAblation ? float.NaN : row.Exact)
        {
            SignOfClean = header.SignOfClean,
            Method = row.Method,
            EffectError = row.EffectError,
            IsUnreliable = row.IsUnreliable,
            Influence = row.Influence,
        };

    private static bool IsLump(in NodeRow row, Site site) =>
        row is { Feature: CausalNode.Error, Position: TokenPosition.All } && site.Kind != SiteKind.Embed;

    // effect = g_d × the downstream activation's change, so the change is effect / g_d;
    // taking a node away undoes what it does, hence the sign
    private static PictureEdge Edge(CausalEdge e, int up, int down, List<PictureNode> nodes, PictureHeader header)
    {
        var (end, does) = (nodes[down], header.SignOfClean * e.Effect);
        var derivative = Derivative(end);
        var onDownstream = end.IsMetric || header.IsAblation ? does : end.IsError || derivative == 0 ? float.NaN : does / derivative;
        return new PictureEdge(up, down, e.Jacobian, e.Effect, header.IsAblation && !end.IsMetric ? float.NaN : does, onDownstream)
        {
            Weight = e.Weight,
        };
    }

    // g_d as edges were made with it
    private static float Derivative(PictureNode node) =>
        node.Method is null || node.IsMetric || node.IsError || node.Position < 0 || node.PatchActivation == node.Activation
            || !NodeMethods.IsMeasured(node.Method)
            ? node.Gradient : node.Effect / (node.PatchActivation - node.Activation);

    // in the model that the graph is of
    private static Dictionary<(string, int, int), float> ExactEffects(string path, RunRecord record, CancellationToken cancel)
    {
        var model = record.Validation?.Model ?? ValidationRow.Real;
        var result = new Dictionary<(string, int, int), float>();
        foreach (var row in RunDirectory.ReadRows<ValidationRow>(path, cancel))
        {
            if (row.Check == "node" && row.Model == model) result[(row.UpSite, row.UpPosition, row.UpFeature)] = row.ExactEffect;
        }
        return result;
    }

    private static IReadOnlyList<TRow> Rows<TRow>(string path, CancellationToken cancel) where TRow : ITableRow<TRow> =>
        RunDirectory.HasTable(path, TRow.Table) ? RunDirectory.ReadRows<TRow>(path, cancel) : [];

    private static float Known(float effect) => float.IsNaN(effect) ? 0 : effect;
}
