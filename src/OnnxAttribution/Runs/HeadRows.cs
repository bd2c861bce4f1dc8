using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>Parts of edges as rows of heads.parquet.</summary>
internal static class HeadRows
{
    public static IEnumerable<HeadRow> Of(CausalGraph graph)
    {
        foreach (var part in graph.HeadParts)
        {
            var up = graph.Nodes[part.Up];
            var down = part.Down == CausalEdge.Metric ? null : graph.Nodes[part.Down];
            yield return new HeadRow(up.Site.Name, up.Position, up.Feature, down?.Site.Name ?? RunNames.MetricSite,
                down?.Position ?? graph.Metric.Position, down?.Feature, part.Head?.Layer, part.Head?.Head, EnumName.Of(part.Way),
                part.Jacobian, part.Effect);
        }
    }
}
