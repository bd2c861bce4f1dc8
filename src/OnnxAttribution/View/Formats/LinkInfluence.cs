using OnnxAttribution.Attribution;

namespace OnnxAttribution.View.Formats;

/// <summary>Path influence of the drawn links on the metric, as circuit-tracer computes it on its graphs.</summary>
internal static class LinkInfluence
{
    /// <summary>By node, as <see cref="RunPicture.Nodes"/> has them: the share of all influence that nodes of at least its own have.
    /// </summary>
    public static double[] Of(RunPicture picture)
    {
        var weights = new double[picture.Nodes.Count];
        weights[picture.Metric] = 1;
        return new PathInfluence([.. picture.Nodes.Select(RoleOf)],
            picture.Edges.Select(e => new InfluenceEdge(e.Up, e.Down, float.IsFinite(e.Weight) ? e.Weight : e.Effect)), weights).Cumulative;
    }

    private static InfluenceRole RoleOf(PictureNode node) => node.IsMetric ? InfluenceRole.Output
        : node.IsToken ? InfluenceRole.Token : node.IsError ? InfluenceRole.Error : InfluenceRole.Feature;
}
