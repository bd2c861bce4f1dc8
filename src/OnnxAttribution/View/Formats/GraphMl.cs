using System.Globalization;

namespace OnnxAttribution.View.Formats;

/// <summary>The graph of a run in GraphML, for networkx (<c>read_graphml</c>), Gephi and yEd: every figure under a typed key.</summary>
/// <remarks>Nodes are called n0, n1, … in the order of <see cref="RunPicture.Nodes"/>. A number that is not known has
/// no entry. <c>weight</c> of an edge is |effect|, since layouts want weights that are not negative. What XML cannot
/// hold is written as <see cref="XmlText"/> says.</remarks>
internal static class GraphMl
{
    private static readonly (string Name, string Type)[] s_ofGraph = [("title", "string"), ("prompt", "string"), ("patch_prompt", "string"),
        ("metric", "string"), ("clean_metric", "double"), ("model", "string"), ("signs", "string")];

    private static readonly (string Name, string Type)[] s_ofNodes =
    [
        ("label", "string"), ("kind", "string"), ("site", "string"), ("layer", "int"), ("site_kind", "string"), ("position", "int"),
        ("token", "string"), ("feature", "int"), ("activation", "double"), ("patch_activation", "double"), ("gradient", "double"),
        ("effect", "double"), ("exact_effect", "double"), ("contribution", "double"),
    ];

    private static readonly (string Name, string Type)[] s_ofEdges =
        [("weight", "double"), ("effect", "double"), ("jacobian", "double"), ("on_metric", "double"), ("on_downstream", "double")];

    /// <summary>Writes the graph. The writer stays the caller's.</summary>
    public static void Write(RunPicture picture, TextWriter output)
    {
        output.Write("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n");
        Keys(output, "graph", s_ofGraph);
        Keys(output, "node", picture.Labels.Any ? [.. s_ofNodes, ("feature_label", "string")] : s_ofNodes);
        Keys(output, "edge", s_ofEdges);
        output.Write("<graph id=\"circuit\" edgedefault=\"directed\">\n");
        OfGraph(picture, output);
        for (var i = 0; i < picture.Nodes.Count; i++) Node(picture, i, output);
        for (var i = 0; i < picture.Edges.Count; i++) Edge(picture.Edges[i], i, output);
        output.Write("</graph>\n</graphml>\n");
    }

    private static void Keys(TextWriter output, string of, (string Name, string Type)[] keys)
    {
        foreach (var (name, type) in keys)
        {
            output.Write($"<key id=\"{of}_{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{type}\"/>\n");
        }
    }

    private static void OfGraph(RunPicture picture, TextWriter output)
    {
        var header = picture.Header;
        Data(output, "graph_title", header.Title);
        Data(output, "graph_prompt", header.Prompt);
        Data(output, "graph_patch_prompt", header.PatchPrompt);
        Data(output, "graph_metric", header.MetricWords);
        Data(output, "graph_clean_metric", header.CleanMetric);
        Data(output, "graph_model", header.Model);
        Data(output, "graph_signs", "effect is m(patched) - m(clean) in a graph found by gradients, the downstream activation's change "
            + "where features were really ablated; contribution, on_metric and on_downstream are above 0 where the clean value raises");
        output.Write('\n');
    }

    private static void Node(RunPicture picture, int index, TextWriter output)
    {
        var node = picture.Nodes[index];
        output.Write(string.Create(CultureInfo.InvariantCulture, $"<node id=\"n{index}\">"));
        Data(output, "node_label", node.IsMetric ? picture.Header.MetricWords : node.Label);
        Data(output, "node_kind", node.IsMetric ? "metric" : node.IsToken ? "token" : node.IsError ? "error" : "feature");
        Data(output, "node_site", node.Site?.Name ?? Store.RunDirectory.MetricSite);
        if (node.Site is { } site)
        {
            Data(output, "node_layer", site.Layer);
            Data(output, "node_site_kind", site.KindName);
        }
        Data(output, "node_position", node.Position);
        Data(output, "node_token", node.Token);
        Data(output, "node_feature", node.Feature);
        Data(output, "node_activation", node.Activation);
        Data(output, "node_patch_activation", node.PatchActivation);
        Data(output, "node_gradient", node.Gradient);
        Data(output, "node_effect", node.Effect);
        Data(output, "node_exact_effect", node.ExactEffect);
        Data(output, "node_contribution", float.IsNaN(node.Effect) ? float.NaN : node.Contribution);
        Data(output, "node_feature_label", picture.LabelOf(node));
        output.Write("</node>\n");
    }

    private static void Edge(PictureEdge edge, int index, TextWriter output)
    {
        output.Write(string.Create(CultureInfo.InvariantCulture, $"<edge id=\"e{index}\" source=\"n{edge.Up}\" target=\"n{edge.Down}\">"));
        Data(output, "edge_weight", Math.Abs(edge.Effect));
        Data(output, "edge_effect", edge.Effect);
        Data(output, "edge_jacobian", edge.Jacobian);
        Data(output, "edge_on_metric", edge.OnMetric);
        Data(output, "edge_on_downstream", edge.OnDownstream);
        output.Write("</edge>\n");
    }

    private static void Data(TextWriter output, string key, string? text)
    {
        if (text is not null) output.Write($"<data key=\"{key}\">{XmlText.Escape(text)}</data>");
    }

    private static void Data(TextWriter output, string key, int value) => Data(output, key, value.ToString(CultureInfo.InvariantCulture));

    // the shortest text that brings the number back
    private static void Data(TextWriter output, string key, float value)
    {
        if (float.IsFinite(value)) Data(output, key, value.ToString("R", CultureInfo.InvariantCulture));
    }

    private static void Data(TextWriter output, string key, double value)
    {
        if (double.IsFinite(value)) Data(output, key, value.ToString("R", CultureInfo.InvariantCulture));
    }
}
