using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Clusters;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>cluster</c> prints and writes.</summary>
/// <param name="what">The dataset, or the file of prompts.</param>
/// <param name="by">What prompts were compared by.</param>
internal sealed class ClusterReport(ClusterRun run, string what, string by, ClusterRequest request)
{
    private const int MostOfPrompt = 32, NodesShown = 3;

    /// <summary>Writes the directory of clusters.</summary>
    public void Write(string place, bool force, CancellationToken cancel)
    {
        var tables = new Dictionary<string, StoredTable>
        {
            [ClusterRow.Table] = RowTable.Of(run.Clusters),
            [MemberRow.Table] = RowTable.Of(run.Members()),
        };
        if (by == "nodes") tables[ClusterNodeRow.Table] = RowTable.Of(run.Nodes);
        var prompts = run.Clusters.ToDictionary(c => c.Cluster, c => run.PromptLines(c.Cluster));
        ClusterDirectory.Write(place, force, new(Record(), tables, prompts), cancel);
    }

    public JsonObject ToJson(string? place, double seconds)
    {
        var json = RunJson.ToObject(Record());
        json["clusters"] = new JsonArray([.. run.Clusters.Select(Json)]);
        json["out"] = place;
        json["seconds_in_all"] = seconds;
        return json;
    }

    public void Print(TextWriter output, string? place, double seconds)
    {
        var table = Screen.Table("Clusters", "#cluster", "#prompts", "#silhouette", "label", "typical prompt", "odd prompt");
        foreach (var c in run.Clusters)
        {
            table.AddRow($"{c.Cluster}", $"{c.Prompts:N0}", Fixed(c.Silhouette),
                c.Label is null ? "–" : $"{c.Label} {Screen.Percent(c.LabelShare)}", Prompt(c.TypicalPrompt), Prompt(c.OddPrompt));
        }
        var console = Screen.On(output);
        console.Show(table, mayDrop: 1);
        if (run.Nodes.Count > 0) console.Write(Nodes());
        output.WriteLine(Summary());
        if (run.LeftOut.Count > 0)
        {
            output.WriteLine($"left out: {Screen.Count(run.LeftOut.Count, "prompt")} with nothing to compare, such as "
                + $"'{DisplayText.OneLine(run.LeftOut[0].Task.Id!)}'");
        }
        if (place is not null)
        {
            output.WriteLine($"wrote {place}: clusters.parquet, members.parquet{(by == "nodes" ? ", cluster_nodes.parquet" : "")}, "
                + $"each cluster's prompts, such as {ClusterDirectory.PromptsOf(place, 1)}");
        }
        output.WriteLine($"time {seconds:0.00} s");
    }

    private Table Nodes()
    {
        var table = Screen.Table("Strongest nodes: mean effects over what each prompt kept", "#cluster", "node", "#effect", "#kept by");
        foreach (var node in run.Nodes.GroupBy(n => n.Cluster).SelectMany(c => c.Take(NodesShown)))
        {
            table.AddRow($"{node.Cluster}", $"{Short(node.Site)} {node.Feature}", Screen.Number(node.Effect), Screen.Percent(node.Share));
        }
        return table;
    }

    private string Summary()
    {
        var tried = run.Found.Tried.Count == 1 ? "" : $" of {run.Found.Tried[0].Clusters} to {run.Found.Tried[^1].Clusters}";
        var labels = run.Agreement is { } ari ? $", adjusted Rand index with {run.Labels} labels {Fixed(ari)}" : "";
        var sample = run.Found.Sample is { } some ? $"; begun and chosen on {some:N0} of them" : "";
        return $"{run.Clusters.Count} clusters{tried} of {Screen.Count(run.Prompts, "prompt")}, silhouette {Fixed(run.Silhouette)}{labels}"
            + sample;
    }

    private ClusterRecord Record() => new()
    {
        PromptsOf = what,
        By = by,
        Site = run.Asked.Site,
        Metric = run.Asked.Metric,
        Position = run.Asked.Position,
        PrependBos = run.Asked.PrependBos,
        Edges = request.WithEdges,
        Method = request.Method == ClusterMethod.Average ? "average" : "kmeans",
        Restarts = request.Method == ClusterMethod.Average ? null : request.Restarts,
        Seed = request.Method == ClusterMethod.Average ? null : request.Seed,
        Sample = run.Found.Sample,
        Prompts = run.Prompts,
        LeftOut = run.LeftOut.Count,
        ClusterCount = run.Clusters.Count,
        Silhouette = run.Silhouette,
        Objective = run.Found.Objective,
        Labels = run.Labels,
        AdjustedRandIndex = run.Agreement,
        Tried = [.. run.Found.Tried.Select(t => new TriedClusters(t.Clusters, t.Silhouette))],
        Program = ThisProgram.Name,
        Version = ThisProgram.Version,
    };

    private JsonObject Json(ClusterRow c) => new()
    {
        ["cluster"] = c.Cluster,
        ["prompts"] = c.Prompts,
        ["silhouette"] = c.Silhouette,
        ["similarity"] = c.Similarity,
        ["label"] = c.Label,
        ["label_share"] = c.Label is null ? null : c.LabelShare,
        ["typical"] = c.Typical,
        ["typical_prompt"] = c.TypicalPrompt,
        ["odd"] = c.Odd,
        ["odd_prompt"] = c.OddPrompt,
        ["nodes"] = new JsonArray([.. run.Nodes.Where(n => n.Cluster == c.Cluster).Select(n => new JsonObject
        {
            ["site"] = n.Site,
            ["feature"] = n.Feature,
            ["effect"] = n.Effect,
            ["prompts"] = n.Prompts,
            ["share"] = n.Share,
        })]),
    };

    private static string Short(string site) => Site.TryParse(site, out var parsed) ? parsed.ShortName : site;

    private static string Prompt(string? text) => DisplayText.QuotedStart(text ?? "", MostOfPrompt);

    private static string Fixed(double value) => value.ToString("0.000", System.Globalization.CultureInfo.InvariantCulture);
}
