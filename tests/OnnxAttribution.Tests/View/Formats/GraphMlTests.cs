using System.Globalization;
using System.Xml.Linq;
using OnnxAttribution.View;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

[Collection(nameof(TinyRuns))]
public sealed class GraphMlTests(TinyRuns runs)
{
    private static readonly XNamespace s_ns = "http://graphml.graphdrawing.org/xmlns";

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void Nodes_edges_and_figures_are_the_runs(string run)
    {
        var (picture, graph) = (runs.Picture(run), Read(runs.Picture(run)));
        var (nodes, edges) = (graph.Descendants(s_ns + "node").ToList(), graph.Descendants(s_ns + "edge").ToList());
        Assert.Equal(picture.Nodes.Count, nodes.Select(n => (string)n.Attribute("id")!).Distinct().Count());
        Assert.Equal(picture.Edges.Select(e => ($"n{e.Up}", $"n{e.Down}", e.Effect, e.Jacobian, e.OnMetric, e.OnDownstream)),
            edges.Select(e => ((string)e.Attribute("source")!, (string)e.Attribute("target")!, Number(e, "effect"), Number(e, "jacobian"),
                Number(e, "on_metric"), Number(e, "on_downstream"))));
        foreach (var (node, xml) in picture.Nodes.Zip(nodes))
        {
            Assert.Equal((node.Site?.Name ?? "metric", node.Token), (Text(xml, "site"), Text(xml, "token") ?? ""));
            Assert.Equal((node.Activation, node.Gradient, node.Effect),
                (Number(xml, "activation"), Number(xml, "gradient"), Number(xml, "effect")));
        }
        Assert.All(edges, e => Assert.Equal(Math.Abs(Number(e, "effect")), Number(e, "weight")));
    }

    [Fact]
    public void Every_entry_has_a_typed_key_of_its_domain_and_fits_the_type()
    {
        var graph = Read(runs.Picture("graph"));
        var keys = graph.Elements(s_ns + "key")
            .ToDictionary(k => (string)k.Attribute("id")!, k => ((string)k.Attribute("for")!, (string)k.Attribute("attr.type")!));
        foreach (var data in graph.Descendants(s_ns + "data"))
        {
            var (of, type) = keys[(string)data.Attribute("key")!];
            Assert.Equal(data.Parent!.Name.LocalName, of);
            if (type == "int") int.Parse(data.Value, CultureInfo.InvariantCulture);
            if (type == "double") Assert.True(double.IsFinite(double.Parse(data.Value, CultureInfo.InvariantCulture)));
        }
    }

    [Fact]
    public void Hostile_tokens_survive_but_for_what_xml_cannot_hold()
    {
        var tokens = Read(PictureSamples.Hostile())
            .Descendants(s_ns + "node")
            .Where(n => Text(n, "site") == "blocks.0.hook_resid_pre")
            .Select(n => Text(n, "token") ?? "")
            .ToList();
        foreach (var (expected, token) in PictureSamples.HostileTokens.Zip(tokens)
            .Where(p => !p.First.Any(c => c is '\0' or '\u0001' or '\ud800' or '\ufffe')))
        {
            Assert.Equal(expected, token);
        }
        Assert.Equal(["␀nul␁␟", "half \ufffd pair", "\ufffd\ufffd"], [tokens[3], tokens[10], tokens[11]]);
    }

    [Fact]
    public void What_is_not_known_has_no_entry()
    {
        var graph = Read(PictureSamples.Unknown());
        Assert.Null(Text(graph.Descendants(s_ns + "node").First(), "effect"));
        Assert.Single(graph.Descendants(s_ns + "edge"), e => Text(e, "effect") is null);
        Assert.Empty(Read(PictureSamples.Single()).Descendants(s_ns + "edge"));
    }

    private static XElement Read(RunPicture picture)
    {
        var writer = new StringWriter();
        GraphMl.Write(picture, writer);
        return XDocument.Parse(writer.ToString(), LoadOptions.PreserveWhitespace).Root!;
    }

    private static string? Text(XElement element, string name) =>
        element.Elements(s_ns + "data").SingleOrDefault(d => (string)d.Attribute("key")! == $"{element.Name.LocalName}_{name}")?.Value;

    private static float Number(XElement element, string name) =>
        Text(element, name) is { } text ? float.Parse(text, CultureInfo.InvariantCulture) : float.NaN;
}
