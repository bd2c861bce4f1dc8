using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>Exact node effects: every node really moved from its clean to its patch value,
/// alone, a row of the batch each, and everything after it computed again.</summary>
/// <remarks>Row 0 of each batch is left as it is: what rounding does to a run of the batch is the same
/// in all its rows, and goes with the difference.</remarks>
internal static class ExactEffects
{
    /// <param name="nodes">Nodes of the site, by position and feature.</param>
    /// <returns>m(patched) − m(clean) of each.</returns>
    public static float[] Of(ActivationCache clean, SiteEffects site, IReadOnlyList<(int Position, int Feature)> nodes, Metric metric)
    {
        var effects = new float[nodes.Count];
        var perPass = clean.RowsPerPass() - 1;
        for (var first = 0; first < nodes.Count; first += perPass)
        {
            var count = Math.Min(perPass, nodes.Count - first);
            using var pass = clean.Intervene(count + 1, [site.Site], []);
            foreach (var at in pass) at.Add(Enumerable.Range(0, count).Select(i => Change(site, nodes[first + i], i + 1)));
            var metrics = metric.Evaluate(pass.Logits(metric.Position), pass.Rows, clean.Logits(metric.Position),
                clean.Model.Context.Threads);
            for (var i = 0; i < count; i++) effects[first + i] = (float)(metrics[i + 1] - metrics[0]);
        }
        return effects;
    }

    private static (int Row, int Position, ReadOnlyMemory<float> Change) Change(SiteEffects site, (int Position, int Feature) node, int row)
    {
        var change = new float[site.Width];
        site.NodeChange(node.Position, node.Feature, change);
        return (row, node.Position, change);
    }
}
