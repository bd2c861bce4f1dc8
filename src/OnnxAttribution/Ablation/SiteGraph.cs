using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Ablation;

/// <summary>Which selected sites read which directly, that is along paths that meet no other selected site.</summary>
internal sealed class SiteGraph
{
    private readonly IReadOnlyList<int>[] _children;
    private readonly bool[] _reachesMetric;
    private readonly LoadedModel _model;

    public SiteGraph(LoadedModel model)
    {
        _model = model;
        var values = model.SelectedValues;
        var candidates = values.ToHashSet();
        var children = values.Select(_ => new List<int>()).ToArray();
        for (var d = 0; d < values.Count; d++)
        {
            var parents = Topology.DirectlyReadBy(values[d], candidates);
            for (var u = 0; u < d; u++)
            {
                if (parents.Contains(values[u])) children[u].Add(d);
            }
        }
        _children = children;
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

    private bool HasFeatures(int site) => _model.DictionaryAt(site) is not null;
}
