using System.Text.Json.Nodes;
using System.Xml.Linq;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Arrows of boxed figures go round the boxes between their ends.</summary>
public sealed class BoxArrowsTests(RunKinds runs) : IClassFixture<RunKinds>
{
    private static readonly string[] s_sites = ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre",
        "blocks.3.hook_resid_pre", "blocks.4.hook_resid_pre"];

    public static TheoryData<string> Samples => ["hostile", "single", "empty", "unknown", "same", "mixed", "large"];

    [Theory, MemberData(nameof(RunKinds.Names), MemberType = typeof(RunKinds))]
    public void Of_every_kind_of_run_no_arrow_lies_behind_a_box(string kind)
    {
        var drawn = 0;
        foreach (var (nodes, edges) in ((int, int)[])[(PictureLimits.BoxNodes, PictureLimits.BoxEdges), (4, 4), (60, 300)])
        {
            drawn += BoxArrowReading.AssertBesideBoxes(Drawn(RunPicture.Read(runs[kind], new(nodes, edges) { IsBoxed = true })));
        }
        Assert.Equal(kind == "nothing-kept", drawn == 0);
    }

    [Theory, MemberData(nameof(Samples))]
    public void Of_odd_graphs_neither(string sample) => BoxArrowReading.AssertBesideBoxes(Drawn(BoxedSvgTests.Sample(sample)));

    // every box leads to every other that lies above
    [Theory, InlineData(1), InlineData(2), InlineData(4), InlineData(9)]
    public void Of_rows_of_any_length_neither(int most)
    {
        var random = new Random(most);
        var rows = s_sites.SelectMany(site => Enumerable.Range(0, 1 + random.Next(most))
            .Select(i => PictureSamples.Row(site, 0, "t", i, -1))).ToList();
        var edges = rows.Index().SelectMany(u => rows.Index().Where(d => u.Item.Layer < d.Item.Layer)
            .Select(d => new CausalEdge(u.Index, d.Index, 1, random.NextSingle() - 0.5f)))
            .Concat(rows.Index().Select(u => new CausalEdge(u.Index, CausalEdge.Metric, 1, u.Index + 1)))
            .ToList();
        Assert.Equal(edges.Count, BoxArrowReading.AssertBesideBoxes(Drawn(PictureSamples.Of(rows, edges))));
    }

    // a run from elsewhere may list its sites in any order
    [Theory, InlineData(1), InlineData(3), InlineData(6)]
    public void An_arrow_that_leads_back_goes_round_both_its_ends(int inRow)
    {
        var facts = PictureSamples.Facts("t");
        facts["sites"] = new JsonArray([.. s_sites.Reverse().Select(s => (JsonNode)s)]);
        var rows = s_sites.SelectMany(site => Enumerable.Range(0, inRow).Select(i => PictureSamples.Row(site, 0, "t", i, -1))).ToList();
        var edges = new List<CausalEdge>();
        for (var up = 0; up < rows.Count; up++)
        {
            for (var down = up % inRow; down < rows.Count; down += inRow) edges.Add(new(up, down, 1, 1 + up));
        }
        var svg = Drawn(PictureSamples.Of(rows, edges, facts));
        Assert.Equal(edges.Count, BoxArrowReading.AssertBesideBoxes(svg));
        SvgReading.AssertTextsInside(svg);
    }

    [Fact]
    public void Arrows_that_pass_a_line_side_by_side_keep_apart()
    {
        // ten features below and the metric above a line of one box: all pass it
        var rows = Enumerable.Range(0, 10).Select(i => PictureSamples.Row(s_sites[0], 0, "t", i, -1))
            .Append(PictureSamples.Row(s_sites[1], 0, "t", 0, -1)).ToList();
        List<CausalEdge> edges = [.. rows.Select((_, i) => new CausalEdge(i, CausalEdge.Metric, 1, 1 + i))];
        var svg = Drawn(PictureSamples.Of(rows, edges));
        // the last that they pass is that line
        var lanes = svg.Descendants().Where(e => (string?)e.Attribute("class") == "edge" && (int)e.Attribute("data-up")! < 10)
            .Select(arrow => BoxArrowReading.Lanes(arrow)[^1]).Order().ToList();
        Assert.Equal(10, lanes.Count);
        Assert.All(lanes.Zip(lanes.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 7.9, double.PositiveInfinity));
    }

    [Fact]
    public void Joined_edges_have_no_jacobian()
    {
        string[] sites = [s_sites[0], s_sites[1]];
        NodeRow[] rows = [PictureSamples.Row(sites[0], -1, "", 1, 1), PictureSamples.Row(sites[1], 0, "t", 2, float.NaN),
            PictureSamples.Row(sites[1], 1, "t", 2, float.NaN), PictureSamples.Row(sites[1], -1, "", 2, 4),
            PictureSamples.Row(sites[1], -1, "", 3, 4)];
        var facts = PictureSamples.Facts("tt");
        facts["kind"] = "ablation";
        var run = new StoredRun(rows, (CausalEdge[])[new(0, 1, 2, 3) { Weight = 5 }, new(0, 2, 4, 5), new(0, 4, 6, 7)], null,
            facts.ToRecord());
        var joined = JoinedEnds.Of(run).Edges.ToArray();
        Assert.Equal([new(0, 3, float.NaN, 8), new(0, 4, 6, 7)], joined);
    }

    private static XElement Drawn(RunPicture picture)
    {
        using var writer = new StringWriter();
        BoxedSvg.Write(picture, FeatureDetails.None, new(3, SvgTheme.Light), writer, TestContext.Current.CancellationToken);
        return XElement.Parse(writer.ToString());
    }
}
