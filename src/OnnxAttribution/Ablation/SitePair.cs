using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>Two selected sites, or one and the metric, with a path between them that meets no other.</summary>
/// <param name="Down">null: the metric.</param>
/// <param name="SamePosition">The path keeps positions apart, so that edges join nodes of one position only.</param>
internal sealed record SitePair(Site Up, Site? Down, bool SamePosition)
{
    /// <summary>All pairs of a model's selected sites, read off the cut graph.</summary>
    public static IReadOnlyList<SitePair> Of(LoadedModel model, MetricKind metric)
    {
        var sitePairs = new List<SitePair>();
        for (var i = 0; i < model.Selected.Count; i++)
        {
            foreach (var parent in GradientGraphs.Of(model).Segment(i, Estimator.Gradient)?.Segment.Parents ?? [])
            {
                sitePairs.Add(new SitePair(SiteOf(model, parent.Value), model.Selected[i], parent.ContractedOutput is null));
            }
        }
        if (metric == MetricKind.Kl) return sitePairs;   // no gradient at the clean run, so no estimate to hold against an exact change
        var logits = model.Graph[ModelBundle.Logits];
        foreach (var parent in GradientGraphs.Of(model).Head(metric, Estimator.Gradient).Parents)
        {
            var axes = PushForward.PositionWise(GradientRules.Gradient, new Dictionary<Onnx.Value, int> { [parent] = 1 },
                model.SelectedValues, logits);
            sitePairs.Add(new SitePair(SiteOf(model, parent), null, axes.GetValueOrDefault(logits, -1) == 1));
        }
        return sitePairs;
    }

    private static Site SiteOf(LoadedModel model, Onnx.Value value) => model.Selected[model.SelectedValues.ToList().IndexOf(value)];
}
