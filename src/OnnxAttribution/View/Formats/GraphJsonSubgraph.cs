using System.Text.Json;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Formats;

// 1. `pinnedIds` are the pins, and the outputs behind them: without an output the page shows no edge to it. `supernodes` are
//    [name, id, …], the name such that it does no harm as HTML; `names` has what it was, where that differs. `notes` is ours.
// 2. A label of the reader's own is the node's `clerp`, as any label is, and `own_label` too, so that it is told from a bundle's.

/// <summary>Writes a subgraph into graph JSON, as the state that viewers open with; <see cref="GraphPins"/> reads it back.</summary>
internal static class GraphJsonSubgraph
{
    /// <summary>Writes pins, groups and notes into the open state.</summary>
    public static void Write(Utf8JsonWriter json, RunPicture picture, ViewerIds places)
    {
        var ids = picture.Nodes.Where(n => n is { IsMetric: false, IsToken: false })
            .ToDictionary(n => (n.Site!.Name, n.Position, n.Feature), places.Id);
        string? IdOf(FeatureName node) => ids.GetValueOrDefault((node.Site, node.Position ?? -1, node.Feature));
        json.WriteStartArray(GraphPins.Pinned);
        foreach (var id in (picture.Subgraph?.Pins ?? []).Select(IdOf).OfType<string>()) json.WriteStringValue(id);
        if (picture.Subgraph is { Pins.Count: > 0 }) foreach (var id in Outputs(picture, places)) json.WriteStringValue(id);
        json.WriteEndArray();
        json.WriteStartArray(GraphPins.Supernodes);
        foreach (var group in picture.Subgraph?.Groups ?? [])
        {
            json.WriteStartArray();
            json.WriteStringValue(Shown(group));
            foreach (var id in group.Nodes.Select(IdOf).OfType<string>()) json.WriteStringValue(id);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        var changed = (picture.Subgraph?.Groups ?? []).Where(g => Shown(g) != g.Name).DistinctBy(Shown).ToList();
        if (changed.Count > 0)
        {
            json.WriteStartObject(GraphPins.Names);
            foreach (var group in changed) json.WriteString(Shown(group), group.Name);
            json.WriteEndObject();
        }
        if (picture.Subgraph is { Notes.Length: > 0 }) json.WriteString(GraphPins.Notes, picture.Subgraph.Notes);
    }

    /// <summary>Writes the reader's own label of a node, where it has one.</summary>
    public static void WriteLabel(Utf8JsonWriter json, RunPicture picture, PictureNode node)
    {
        if (picture.Subgraph?.LabelOf(node.Site!.Name, node.Feature) is { } label) json.WriteString(GraphPins.OwnLabel, label);
    }

    private static string Shown(SubgraphGroup group) => ViewerText.Harmless(group.Name, SubgraphFile.MostLetters);

    private static IEnumerable<string> Outputs(RunPicture picture, ViewerIds places)
    {
        var metric = picture.Nodes[picture.Metric];
        return picture.Targets.Count == 0 ? [places.Id(metric)]
            : picture.Targets.Select(t => places.OutputId(metric, t.TargetId)).Distinct();
    }
}
