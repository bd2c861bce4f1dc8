using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>What a graph with a metric on top is given beside the model's inputs.</summary>
internal static class MetricFeed
{
    /// <summary>Position and tokens of the metric; what is left open is the last position and the run's own best tokens.</summary>
    /// <param name="positions">Of the prompt.</param>
    public static Feed AddMetric(this Feed feed, MetricRequest request, int positions) => feed
        .Add(MetricGraph.Position, new long[] { request.Position ?? positions - 1 }, 1)
        .Add(MetricGraph.Target, new long[] { request.Target ?? MetricGraph.Own })
        .Add(MetricGraph.Foil, new long[] { request.Foil ?? MetricGraph.Own });
}
