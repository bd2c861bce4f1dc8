using OnnxAttribution.Attribution;
using OnnxAttribution.Comparison;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>Two runs as one picture: the nodes and edges of both, each as strong as the run says in which it is the stronger.</summary>
/// <param name="Picture">Of all that is in either; of two effects it has the one that is larger in size, the first's between equals.
/// </param>
/// <param name="Nodes">As <see cref="RunPicture.Nodes"/> has them; null: the metric.</param>
/// <param name="Edges">As <see cref="RunPicture.Edges"/> has them.</param>
internal sealed record ComparedPicture(RunComparison Comparison, RunPicture Picture, IReadOnlyList<ComparedNode?> Nodes,
    IReadOnlyList<ComparedEdge> Edges)
{
    /// <summary>What the page is called.</summary>
    public string Title =>
        $"A: {new PictureHeader(Comparison.A.Stored.Record).Title}  |  B: {new PictureHeader(Comparison.B.Stored.Record).Title}";

    public static ComparedPicture Of(RunComparison comparison, PictureLimits limits)
    {
        var exact = new Dictionary<(string, int, int), float>();
        var picture = RunPicture.Of(MergedRun.Locate(comparison.A.Run), Stored(comparison), exact, limits);
        // groups are of one run
        picture.Suggested = new SuggestedGroups([], null);
        picture.ComparedWith = (comparison.B.Run, comparison.Alignment == RunAlignment.Feature);
        var nodes = comparison.Nodes.ToDictionary(n => new ComparedEnd(n.Site, n.Position, n.Feature));
        var edges = comparison.Edges.ToDictionary(e => (e.Up, e.Down));
        return new ComparedPicture(comparison, picture, [.. picture.Nodes.Select(n => n.IsMetric ? null : nodes[End(n)])],
            [.. picture.Edges.Select(e => edges[(End(picture.Nodes[e.Up]), End(picture.Nodes[e.Down]))])]);
    }

    private static ComparedEnd End(PictureNode node) => node.IsMetric ? new(RunNames.MetricSite, -1, CausalNode.Error)
        : new(node.Site!.Name, node.Position, node.Feature);

    private static StoredRun Stored(RunComparison comparison)
    {
        var places = new Dictionary<ComparedEnd, int>();
        var nodes = new List<NodeRow>();
        foreach (var n in comparison.Nodes)
        {
            var key = new ComparedEnd(n.Site, n.Position, n.Feature);
            var side = IsOfB(n.EffectA, n.EffectB, n.Presence) ? comparison.B : comparison.A;
            places[key] = nodes.Count;
            nodes.Add(side.Node(key)!.Value with { Kept = true, Method = null, EffectError = float.NaN });
        }
        CausalEdge[] edges = [.. comparison.Edges.Select(e => new CausalEdge(places[e.Up],
            e.Down.Site == RunNames.MetricSite ? CausalEdge.Metric : places[e.Down], float.NaN,
            IsOfB(e.EffectA, e.EffectB, e.Presence) ? e.EffectB : e.EffectA))];
        var summed = comparison.Alignment == RunAlignment.Feature;
        return new StoredRun(nodes, edges, summed ? null : comparison.A.Stored.MetricPosition ?? comparison.B.Stored.MetricPosition,
            Record(comparison));
    }

    // as RunComparison has them in order, so that the same is drawn whichever run comes first; of what neither says, the run that has it
    private static bool IsOfB(float a, float b, Presence presence) =>
        Size(b) > Size(a) || (Size(a) == Size(b) && presence == Presence.OnlyB);

    private static float Size(float effect) => float.IsNaN(effect) ? -1 : Math.Abs(effect);

    // the first's, with what is about both
    private static RunRecord Record(RunComparison comparison)
    {
        var (a, b) = (comparison.A.Stored.Record, comparison.B.Stored.Record);
        var record = a with { Validation = null, Faithfulness = null, Certificate = null, CommandLine = null, Sites = Sites(a, b) };
        return record is PromptRunRecord { TokenStrings: { } tokens } prompt && b is PromptRunRecord { TokenStrings: { } others }
            ? prompt with { TokenStrings = Tokens(tokens, others) } : record;
    }

    // in the order of computation of each: what only the second has comes after what it comes after there
    private static List<string> Sites(RunRecord a, RunRecord b)
    {
        var result = (a.Sites ?? []).ToList();
        var at = 0;
        foreach (var site in b.Sites ?? [])
        {
            if (result.IndexOf(site) is >= 0 and var found) at = found + 1;
            else result.Insert(at++, site);
        }
        return result;
    }

    private static IReadOnlyList<string> Tokens(IReadOnlyList<string> a, IReadOnlyList<string> b) =>
        [.. Enumerable.Range(0, Math.Max(a.Count, b.Count)).Select(p => p >= a.Count ? b[p] : p >= b.Count || a[p] == b[p] ? a[p]
            : $"{a[p]}|{b[p]}")];
}
