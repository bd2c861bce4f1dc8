using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>Whether a site's node effects add up to what moving all of them together does.</summary>
/// <param name="Effects">Σ of the effects of all nodes, features and errors.</param>
/// <param name="Exact">m with the whole site moved from its clean to its patch value, minus m, in the model that the graph is of.</param>
/// <param name="ErrorShare">Σ over errors |effect| / Σ over all |effect|; NaN where nothing has an effect.</param>
internal sealed record SiteConservation(Site Site, double Effects, double Exact, double ErrorShare)
{
    /// <summary>The same in the model itself, where transcoders stand for MLPs; else null.</summary>
    public double? ExactInRealModel { get; init; }

    /// <summary>Moves every selected site in turn: a pass each. Row 0 of a pass is left as it is, row 1 moved.</summary>
    /// <param name="nodes">All nodes, by the sites' indices.</param>
    public static IReadOnlyList<SiteConservation> Measure(PatchingState state, ActivationCache clean, IReadOnlyList<CausalNode> nodes)
    {
        var result = new List<SiteConservation>();
        foreach (var site in state.Sites)
        {
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            double sum = 0, errors = 0, all = 0;
            for (var i = site.FirstNode; i < site.FirstNode + site.Nodes.Count; i++)
            {
                sum += nodes[i].Effect;
                all += Math.Abs((double)nodes[i].Effect);
                if (nodes[i].IsError) errors += Math.Abs((double)nodes[i].Effect);
            }
            result.Add(state.Model.IsReplaced
                ? new SiteConservation(site.Site, sum, Moved(state, clean, site, MovedModel.Replacement), errors / all)
                {
                    ExactInRealModel = Moved(state, clean, site, MovedModel.Real)
                }
                : new SiteConservation(site.Site, sum, Moved(state, clean, site), errors / all));
        }
        return result;
    }

    // all that its nodes write
    private static double Moved(PatchingState state, ActivationCache clean, SiteEffects site, MovedModel model) =>
        new MovedSubsets(state, clean, model).Effects([[.. Enumerable.Range(site.FirstNode, site.Nodes.Count)]])[0];

    private static double Moved(PatchingState state, ActivationCache clean, SiteEffects site)
    {
        var (metric, change) = (state.Metric, site.WholeChange());
        using var pass = clean.Intervene(2, [site.Site], []);
        foreach (var at in pass)
        {
            at.Add(Enumerable.Range(0, state.Tokens.Length)
                .Select(t => (1, t, (ReadOnlyMemory<float>)change.AsMemory(t * site.Width, site.Width))));
        }
        var metrics = metric.Evaluate(pass.Logits(metric.Position), pass.Rows, clean.Logits(metric.Position));
        return metrics[1] - metrics[0];
    }
}
