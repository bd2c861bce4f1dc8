using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>Whether a site's node effects add up to what moving all of them together does.</summary>
/// <param name="Effects">Σ of the effects of all nodes, features and errors.</param>
/// <param name="Exact">m with the whole site moved from its clean to its patch value, minus m.</param>
/// <param name="ErrorShare">Σ over errors |effect| / Σ over all |effect|; NaN where nothing has an effect.</param>
internal sealed record SiteConservation(Site Site, double Effects, double Exact, double ErrorShare)
{
    /// <summary>Moves every selected site in turn: a pass each. Row 0 of a pass is left as it is, row 1 moved.</summary>
    /// <param name="nodes">All nodes, by the sites' indices.</param>
    public static IReadOnlyList<SiteConservation> Measure(PatchingState state, ActivationCache clean, IReadOnlyList<CausalNode> nodes)
    {
        var result = new List<SiteConservation>();
        var metric = state.Metric;
        foreach (var site in state.Sites)
        {
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            var change = site.WholeChange();
            using var pass = clean.Intervene(2, [site.Site], []);
            foreach (var at in pass)
            {
                at.Add(Enumerable.Range(0, state.Tokens.Length)
                    .Select(t => (1, t, (ReadOnlyMemory<float>)change.AsMemory(t * site.Width, site.Width))));
            }
            var metrics = metric.Evaluate(pass.Logits(metric.Position), pass.Rows, clean.Logits(metric.Position));
            double sum = 0, errors = 0, all = 0;
            for (var i = site.FirstNode; i < site.FirstNode + site.Nodes.Count; i++)
            {
                sum += nodes[i].Effect;
                all += Math.Abs((double)nodes[i].Effect);
                if (nodes[i].IsError) errors += Math.Abs((double)nodes[i].Effect);
            }
            result.Add(new SiteConservation(site.Site, sum, metrics[1] - metrics[0], errors / all));
        }
        return result;
    }
}
