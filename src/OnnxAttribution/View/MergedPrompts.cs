using OnnxAttribution.Attribution;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.View;

/// <summary>The prompts that a batch's merged graph is of, read from the runs beside it: what was asked of each, and in how many of their
/// own graphs a feature or an edge is kept.</summary>
/// <remarks>A dataset's prompts, which may be millions, are asked for with <c>query</c>.</remarks>
internal sealed class MergedPrompts
{
    private readonly Dictionary<(string Site, int Feature), int>? _nodes;
    private readonly Dictionary<((string, int) Up, (string, int)? Down), int>? _edges;

    private MergedPrompts(IReadOnlyList<MergedPrompt> all, Dictionary<(string Site, int Feature), int>? nodes,
        Dictionary<((string, int) Up, (string, int)? Down), int>? edges) =>
        (All, _nodes, _edges) = (all, nodes, edges);

    public static MergedPrompts None { get; } = new([], null, null);

    /// <summary>In the order of the batch; empty where they are not known.</summary>
    public IReadOnlyList<MergedPrompt> All { get; }

    /// <summary>How many prompts keep a feature, or a site's error, at whatever position; null: not known.</summary>
    public int? Having(string site, int feature) => _nodes?.GetValueOrDefault((site, feature));

    /// <summary>How many prompts keep an edge, at whatever positions; null: not known.</summary>
    /// <param name="down">null: the metric.</param>
    public int? Having((string Site, int Feature) up, (string Site, int Feature)? down) => _edges?.GetValueOrDefault((up, down));

    /// <summary>Whether one number can be the metric of all: whose tokens differ have different metrics, and of whom nothing is known it is
    /// not said.</summary>
    public bool AreOfOneMetric(PictureHeader header) =>
        !header.IsMerged || (All.Count > 0 && All.All(p => p.Tokens is { } own && own == All[0].Tokens));

    /// <param name="run">A run directory.</param>
    /// <param name="record">Its run.json.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static MergedPrompts Of(string run, RunRecord record, CancellationToken cancel)
    {
        if (record is not MergedRunRecord { Ids: { Count: > 0 } ids }) return None;
        var (batch, here) = (MergedRun.BatchOf(run), Path.GetFullPath(run));
        var (nodes, edges, all) = (new Dictionary<(string, int), int>(), new Dictionary<((string, int), (string, int)?), int>(), true);
        var prompts = new List<MergedPrompt>();
        foreach (var id in ids)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                // a name that no prompt has is no place to look at
                if (!PromptId.CanName(id)) throw RunDirectoryException.Missing(batch);
                var (directory, stored) = (Path.Combine(batch, id), RunDirectory.Read(Path.Combine(batch, id), cancel));
                Count(stored, nodes, edges);
                prompts.Add(Prompt(id, stored.Record, PageAddress.Of(directory, here)));
            }
            catch (RunDirectoryException)
            {
                // a run that was taken away since: what is said of all would be wrong
                all = false;
                prompts.Add(new MergedPrompt(id, "", "its run is not there any more", double.NaN, null, null));
            }
        }
        return new MergedPrompts(prompts, all ? nodes : null, all ? edges : null);
    }

    private static MergedPrompt Prompt(string id, RunRecord record, string? page)
    {
        var header = new PictureHeader(record);
        return new MergedPrompt(id, header.Prompt ?? "", header.MetricWords, header.CleanMetric, page, (header.Target, header.Foil));
    }

    private static void Count(StoredRun run, Dictionary<(string, int), int> nodes, Dictionary<((string, int), (string, int)?), int> edges)
    {
        foreach (var key in run.Nodes.Where(n => n.Kept).Select(n => (n.Site, n.Feature)).Distinct())
        {
            nodes[key] = nodes.GetValueOrDefault(key) + 1;
        }
        var own = new HashSet<((string, int), (string, int)?)>();
        foreach (var e in run.Edges.Span)
        {
            var up = (run.Nodes[e.Up].Site, run.Nodes[e.Up].Feature);
            own.Add((up, e.Down == CausalEdge.Metric ? null : (run.Nodes[e.Down].Site, run.Nodes[e.Down].Feature)));
        }
        foreach (var key in own) edges[key] = edges.GetValueOrDefault(key) + 1;
    }
}

/// <summary>One of them.</summary>
/// <param name="Metric">In words.</param>
/// <param name="Value">Its clean value; NaN where it is not known.</param>
/// <param name="Page">Address of its own page, relative to the merged run's; null: it has none.</param>
/// <param name="Tokens">Target and foil; null: not known.</param>
internal sealed record MergedPrompt(string Id, string Text, string Metric, double Value, string? Page,
    (string? Target, string? Foil)? Tokens);
