using System.Globalization;
using OnnxAttribution.View;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

[Collection(nameof(TinyRuns))]
public sealed class GraphDotTests(TinyRuns runs)
{
    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void Nodes_edges_and_figures_are_the_runs(string run)
    {
        var (picture, dot) = (runs.Picture(run), Read(runs.Picture(run)));
        Assert.Equal(picture.Nodes.Count, dot.Nodes.Count);
        Assert.Equal(picture.Edges.Select(e => ($"n{e.Up}", $"n{e.Down}", e.Effect)),
            dot.Edges.Select(e => (e.Up, e.Down, Number(e.Attributes, "effect"))));
        foreach (var (i, node) in picture.Nodes.Index())
        {
            var attributes = dot.Nodes[$"n{i}"];
            Assert.Equal((node.Site?.Name ?? "metric", node.Position, node.Feature, node.Effect),
                (attributes["site"], int.Parse(attributes["position"], CultureInfo.InvariantCulture),
                    int.Parse(attributes["feature"], CultureInfo.InvariantCulture), Number(attributes, "effect")));
        }
    }

    [Fact]
    public void Each_site_is_a_rank()
    {
        var (picture, dot) = (runs.Picture("graph"), Read(runs.Picture("graph")));
        Assert.Equal([.. picture.Sites.Select(s => s.Name), "metric"], dot.Ranks.Keys);
        Assert.All(dot.Ranks, rank => Assert.All(rank.Value, node => Assert.Equal(rank.Key, dot.Nodes[node]["site"])));
    }

    [Fact]
    public void Hostile_tokens_survive_quoting()
    {
        var dot = Read(PictureSamples.Hostile());
        Assert.Equal((2 * PictureSamples.HostileTokens.Length) + 1, dot.Nodes.Count);
        var tokens = dot.Nodes.Values.Where(n => n["site"] == "blocks.0.hook_resid_pre").Select(n => n["token"]).ToList();
        foreach (var (expected, token) in PictureSamples.HostileTokens.Zip(tokens)
            .Where(p => !p.First.Any(c => c is '\0' or '\r' or '\u0001' or '\ud800')))
        {
            Assert.Equal(expected, token);
        }
        Assert.Equal(["␀nul␁␟", "lone␍return", "half \ufffd pair"], [tokens[3], tokens[4], tokens[10]]);
    }

    [Fact]
    public void What_is_not_known_and_what_is_alone_is_written()
    {
        Assert.DoesNotContain("effect", Read(PictureSamples.Unknown()).Nodes["n0"].Keys);
        Assert.Equal((2, 0), (Read(PictureSamples.Single()).Nodes.Count, Read(PictureSamples.Single()).Edges.Count));
    }

    private static DotReader Read(RunPicture picture)
    {
        var writer = new StringWriter();
        GraphDot.Write(picture, writer);
        return new DotReader(writer.ToString());
    }

    private static float Number(Dictionary<string, string> attributes, string name) =>
        attributes.TryGetValue(name, out var text) ? float.Parse(text, CultureInfo.InvariantCulture) : float.NaN;
}
