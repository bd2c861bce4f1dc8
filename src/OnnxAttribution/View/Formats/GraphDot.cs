using System.Globalization;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Formats;

/// <summary>The graph of a run in Graphviz's DOT: from the bottom up, a rank per site,
/// colours as in <see cref="GraphSvg"/>; all figures are attributes.</summary>
/// <remarks>Nodes are called n0, n1, … in the order of <see cref="RunPicture.Nodes"/>. Texts are quoted strings, in which Graphviz knows
/// two escapes: \" and, where it draws, \\ and \n. A number that is not known is left out. Control characters, which Graphviz takes for the
/// text's end or refuses, become their pictures.</remarks>
internal static class GraphDot
{
    private const double LeastWidth = 0.5, MoreWidth = 4.5;

    /// <summary>Writes the graph. The writer stays the caller's.</summary>
    public static void Write(RunPicture picture, TextWriter output)
    {
        var most = picture.Edges.Count > 0 ? Math.Abs(picture.Edges[0].Effect) : 0;
        output.Write("digraph circuit {\n");
        output.Write($"  graph [rankdir=BT, charset=\"UTF-8\", fontname=\"Helvetica\", label={Quoted(picture.Header.Title)}, "
            + $"metric={Quoted(picture.Header.MetricWords)}];\n");
        output.Write("  node [shape=box, style=\"filled,rounded\", fillcolor=white, fontname=\"Helvetica\", "
            + "fontsize=10];\n  edge [arrowsize=0.5];\n");
        foreach (var (site, nodes) in Ranks(picture))
        {
            output.Write($"  subgraph {Quoted(site)} {{\n    rank=same;\n");
            foreach (var i in nodes) Node(picture, i, output);
            output.Write("  }\n");
        }
        foreach (var edge in picture.Edges) Edge(picture, edge, most, output);
        output.Write("}\n");
    }

    private static IEnumerable<(string Site, IEnumerable<int> Nodes)> Ranks(RunPicture picture) =>
        picture.Nodes.Select((n, i) => (Site: n.Site?.Name ?? Store.RunDirectory.MetricSite, i))
            .GroupBy(p => p.Site).Select(g => (g.Key, g.Select(p => p.i)));

    private static void Node(RunPicture picture, int index, TextWriter output)
    {
        var node = picture.Nodes[index];
        var label = node.IsMetric ? picture.Header.MetricWords
            : node.Position < 0 ? node.Label
            : $"{node.Label}\n{TokenLabel.Of(node.Token, 16)}";
        var attributes = new DotAttributes()
            .Add("label", label)
            .Add("tooltip", PictureWords.Of(picture, node))
            .Add("site", node.Site?.Name ?? Store.RunDirectory.MetricSite)
            .Add("position", node.Position)
            .Add("token", node.Token)
            .Add("feature", node.Feature)
            .Add("activation", node.Activation)
            .Add("patch_activation", node.PatchActivation)
            .Add("gradient", node.Gradient).Add("effect", node.Effect).Add("exact_effect", node.ExactEffect);
        if (picture.LabelOf(node) is { } said) attributes.Add("feature_label", said);
        if (node.IsError) attributes.Add("style", "filled,dashed").Add("fillcolor", "#eceff2");
        attributes.Add("color", node.IsMetric
            ? SvgTheme.Light.Ink
            : SvgTheme.Light.Sign(float.IsNaN(node.Effect) ? double.NaN : node.Contribution));
        output.Write($"    n{index.ToString(CultureInfo.InvariantCulture)} [{attributes}];\n");
    }

    private static void Edge(RunPicture picture, PictureEdge edge, float most, TextWriter output)
    {
        var strength = most > 0 && !float.IsNaN(edge.Effect) ? Math.Sqrt(Math.Abs(edge.Effect) / most) : 0;
        var attributes = new DotAttributes()
            .Add("effect", edge.Effect)
            .Add("jacobian", edge.Jacobian)
            .Add("on_metric", edge.OnMetric)
            .Add("on_downstream", edge.OnDownstream)
            .Add("color", SvgTheme.Light.Sign(PictureWords.Does(picture, edge)))
            .Add("penwidth", (float)Math.Round(LeastWidth + (MoreWidth * strength), 2));
        output.Write(string.Create(CultureInfo.InvariantCulture, $"  n{edge.Up} -> n{edge.Down} [{attributes}];\n"));
    }

    private static string Quoted(string text) => DotAttributes.Quoted(text);
}
