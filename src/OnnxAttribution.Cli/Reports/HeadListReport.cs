using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>heads</c> prints of a run: its strongest heads, what goes through them in which way,
/// and their strongest edges.</summary>
internal sealed class HeadListReport(IReadOnlyList<HeadTotal> heads, string directory, int top, RunLabels labels)
{
    public JsonObject ToJson() => new()
    {
        ["run"] = directory,
        ["heads"] = Json(heads.Take(top)),
        ["heads_in_all"] = heads.Count,
    };

    public void Print(TextWriter output)
    {
        Screen.On(output).Write(Table(heads, top, labels));
        if (heads.Count > top) output.WriteLine($"and {heads.Count - top} heads more; --top lists them");
    }

    /// <summary>The strongest heads, a row each.</summary>
    public static Table Table(IReadOnlyList<HeadTotal> heads, int top, RunLabels labels)
    {
        var table = Screen.Table("Strongest heads", "head", "#sum of |effect|", "#by value", "#by query", "#by key", "#edges",
            "strongest edge", "#effect");
        foreach (var h in heads.Take(top))
        {
            table.AddRow(h.Head.ToString(), Screen.Number(h.All), Screen.Percent(h.Value / h.All), Screen.Percent(h.Query / h.All),
                Screen.Percent(h.Key / h.All), $"{h.Edges:N0}", Ends(h.Strongest[0].First, labels), Screen.Number(h.Strongest[0].Effect));
        }
        return table;
    }

    /// <summary>Such as <c>3:953@5 → 4:7780@6</c>.</summary>
    public static string Ends(HeadRow edge, RunLabels labels) =>
        $"{End(edge.UpSite, edge.UpPosition, edge.UpFeature)}{labels.Behind(edge.UpSite, edge.UpFeature)} → "
        + (edge.DownSite == RunNames.MetricSite ? "metric" : End(edge.DownSite, edge.DownPosition, edge.DownFeature)
            + (edge.DownFeature is { } feature ? labels.Behind(edge.DownSite, feature) : ""));

    private static string End(string site, int position, int? feature) => FeatureName.Of(site, feature ?? CausalNode.Error, position);

    /// <summary>An object a head.</summary>
    public static JsonArray Json(IEnumerable<HeadTotal> heads) => new([.. heads.Select(Json)]);

    private static JsonObject Json(HeadTotal h) => new()
    {
        ["head"] = h.Head.ToString(),
        ["layer"] = h.Head.Layer,
        ["index"] = h.Head.Head,
        ["effect"] = h.All,
        ["value"] = h.Value,
        ["query"] = h.Query,
        ["key"] = h.Key,
        ["edges"] = h.Edges,
        ["strongest_edges"] = new JsonArray([.. h.Strongest.Select(e => new JsonObject
        {
            ["upstream"] = End(e.First.UpSite, e.First.UpPosition, e.First.UpFeature),
            ["downstream"] = e.First.DownSite == RunNames.MetricSite
                ? "metric"
                : End(e.First.DownSite, e.First.DownPosition, e.First.DownFeature),
            ["effect"] = e.Effect,
        })]),
    };
}
