using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>Two selected sites, or one and the metric, with a path between them that meets no other.</summary>
/// <param name="Down">null: the metric.</param>
/// <param name="SamePosition">The path keeps positions apart, so that edges join nodes of one position only.</param>
internal sealed record SitePair(Site Up, Site? Down, bool SamePosition)
{
    /// <summary>Whether the upstream site's errors have edges there: not where only features of a cross-layer transcoder write what is
    /// read.</summary>
    public bool FromErrors { get; init; } = true;

    /// <summary>Whether edges lead into the downstream site's errors: a transcoder's are held.</summary>
    public bool IntoErrors { get; init; } = true;
}

/// <summary>Which selected sites read which directly, that is along paths that meet no other selected site.</summary>
internal sealed class SiteGraph
{
    private readonly LoadedModel _model;
    private readonly List<int>[] _children;
    private readonly bool[] _reachesMetric;

    public SiteGraph(LoadedModel model)
    {
        _model = model;
        var values = model.SelectedValues;
        var candidates = values.ToHashSet();
        _children = [.. values.Select(_ => new List<int>())];
        for (var d = 0; d < values.Count; d++)
        {
            var parents = Topology.DirectlyReadBy(model.SelectedSites[d].Read, candidates);
            for (var u = 0; u < d; u++)
            {
                if (parents.Contains(values[u])) _children[u].Add(d);
            }
        }
        var read = Topology.DirectlyReadBy(model.Graph[ModelBundle.Logits], candidates);
        _reachesMetric = [.. values.Select(read.Contains)];
    }

    /// <summary>The selected sites that read a selected site directly, by index, in the order of computation.</summary>
    public IReadOnlyList<int> Children(int site) => _children[site];

    /// <summary>Whether the logits read a selected site directly.</summary>
    public bool ReachesMetric(int site) => _reachesMetric[site];

    /// <summary>Whether all that a site does to the rest goes through one other, or straight to the logits:
    /// one pass then gives both its edges and the metric.</summary>
    public bool IsChain(int site) => _children[site].Count + (_reachesMetric[site] ? 1 : 0) <= 1;

    /// <summary>Edges of the longest path from site to site;
    /// a site without a dictionary has no features, so that no path goes through it.</summary>
    public int LongestPath
    {
        get
        {
            var longest = new int[_children.Length];
            for (var u = longest.Length - 1; u >= 0; u--)
            {
                if (HasFeatures(u)) longest[u] = _children[u].Where(HasFeatures).Select(d => longest[d] + 1).DefaultIfEmpty(0).Max();
            }
            return longest.DefaultIfEmpty(0).Max();
        }
    }

    /// <summary>All pairs between which gradients find edges, by downstream site, the metric last.</summary>
    public IReadOnlyList<SitePair> Pairs(MetricKind metric)
    {
        var pairs = new List<SitePair>();
        for (var d = 0; d < _children.Length; d++)
        {
            // the tensor as it is computed: the site itself is a cut
            var computed = _model.SelectedSites[d].Read;
            foreach (var u in Enumerable.Range(0, d).Where(u => Written(u).Any(w => _children[w].Contains(d))))
            {
                pairs.Add(new SitePair(_model.Selected[u], _model.Selected[d],
                    Written(u).Where(w => _children[w].Contains(d)).All(w => KeepsPositions(w, computed)))
                {
                    FromErrors = _children[u].Contains(d),
                    IntoErrors = _model.SelectedSites[d].Mlp is null,
                });
            }
        }
        if (metric == MetricKind.Kl) return pairs;   // no gradient at the clean run, so no estimate to hold against an exact change
        foreach (var u in Enumerable.Range(0, _children.Length).Where(u => Written(u).Any(ReachesMetric)))
        {
            pairs.Add(new SitePair(_model.Selected[u], null,
                Written(u).Where(ReachesMetric).All(w => KeepsPositions(w, _model.Graph[ModelBundle.Logits])))
            {
                FromErrors = ReachesMetric(u)
            });
        }
        return pairs;
    }

    // a cross-layer transcoder's features write later outputs too
    private IEnumerable<int> Written(int site) => _model.SelectedSites[site].Mlp is { } mlp
        ? mlp.Outputs.Select(o => _model.SelectedSite(o)!.Index) : [site];

    private bool KeepsPositions(int site, Value to)
    {
        var from = new Dictionary<Value, int> { [_model.SelectedValues[site]] = 1 };
        return PushForward.PositionWise(GradientRules.Gradient, from, _model.SelectedValues, to).GetValueOrDefault(to, -1) == 1;
    }

    private bool HasFeatures(int site) => _model.SelectedSites[site].Dictionary is not null;
}
