using OnnxAttribution.Store;
using OnnxAttribution.View;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View;

/// <summary>Groups that nodes may be put in.</summary>
[Collection(nameof(TinyRuns))]
public sealed class SuggestedGroupsTests(TinyRuns runs)
{
    private const string Low = "blocks.0.hook_resid_pre", Middle = "blocks.0.hook_mlp_out", High = "blocks.1.hook_resid_pre";

    [Fact]
    public void Nodes_with_alike_signed_edges_are_a_group_and_those_with_opposite_ones_are_none()
    {
        // 0 and 1 lead alike to 4, 5; 2 leads there with opposite signs; 3 leads elsewhere
        NodeRow[] nodes = [.. Enumerable.Range(0, 4).Select(f => Row(Low, f, 4 - f)),
            .. Enumerable.Range(0, 3).Select(f => Row(High, f, 1))];
        CausalEdge[] edges = [new(0, 4, 1, 2), new(0, 5, 1, -1), new(1, 4, 1, 0.2f), new(1, 5, 1, -0.1f), new(2, 4, 1, -2), new(2, 5, 1, 1),
            new(3, 6, 1, 3)];
        var picture = PictureSamples.Of(nodes, edges);
        var groups = AlikeNodes.ByEdges(picture).Groups;
        var first = groups[0];
        Assert.Equal((SuggestedGroups.Edges, "0,1"), (first.By, string.Join(',', first.Nodes)));
        Assert.Equal(1, first.Least, 1e-6);
        Assert.DoesNotContain(groups, g => g.Nodes.Contains(2) && g.Nodes.Contains(0));
        // 4 and 5 are reached with opposite signs, 6 from elsewhere
        Assert.Single(groups);
    }

    [Fact]
    public void What_comes_in_counts_as_much_as_what_goes_out()
    {
        // alike out, where effects are large, and unlike in, where they are small
        var nodes = (List<NodeRow>)[Row(Low, 0, 1), Row(Low, 1, 1), Row(Middle, 0, 2), Row(Middle, 1, 2), Row(High, 0, 1)];
        CausalEdge[] edges = [new(0, 2, 1, 0.01f), new(1, 3, 1, 0.01f), new(2, 4, 1, 100), new(3, 4, 1, 100)];
        Assert.DoesNotContain(AlikeNodes.ByEdges(PictureSamples.Of(nodes, edges)).Groups, g => g.Nodes.Contains(2));
        CausalEdge[] alike = [new(0, 2, 1, 0.01f), new(0, 3, 1, 0.02f), new(2, 4, 1, 100), new(3, 4, 1, 100)];
        Assert.Contains(AlikeNodes.ByEdges(PictureSamples.Of(nodes, alike)).Groups, g => string.Join(',', g.Nodes) == "2,3");
    }

    [Fact]
    public void Decoder_rows_of_a_real_model_give_the_same_groups_each_time_and_a_feature_at_two_positions_is_alike()
    {
        var picture = runs.Picture("graph");
        var (found, again) = (AlikeNodes.Of(picture, runs.Bundle, CancellationToken.None),
            AlikeNodes.Of(runs.Picture("graph"), runs.Bundle, CancellationToken.None));
        Assert.Null(found.Note);
        Assert.Equal(found.Groups.Select(Words), again.Groups.Select(Words));
        Assert.Contains(found.Groups, g => g.By == SuggestedGroups.Decoder);
        foreach (var group in found.Groups)
        {
            Assert.True(group.Least >= (group.By == SuggestedGroups.Decoder ? SuggestedGroups.LeastDecoder : SuggestedGroups.LeastEdges));
            Assert.True(group.Nodes.Count >= 2);
            Assert.All(group.Nodes, i => Assert.True(picture.Nodes[i] is { IsMetric: false, IsError: false }));
        }
        Assert.All(found.Groups.GroupBy(g => g.By),
            by => Assert.Equal(by.Sum(g => g.Nodes.Count), by.SelectMany(g => g.Nodes).Distinct().Count()));
        var twice = picture.Nodes.Where(n => n is { IsMetric: false, IsError: false }).GroupBy(n => (n.Site, n.Feature))
            .Where(g => g.Count() > 1).ToList();
        Assert.NotEmpty(twice);
        foreach (var group in found.Groups.Where(g => g.By == SuggestedGroups.Decoder))
        {
            // all positions of a feature have one row, so that they are in one group
            var features = group.Nodes.Select(i => (picture.Nodes[i].Site, picture.Nodes[i].Feature)).ToHashSet();
            Assert.Equal(picture.Nodes.Count(n => n is { IsMetric: false, IsError: false } && features.Contains((n.Site, n.Feature))),
                group.Nodes.Count);
        }
    }

    [Fact]
    public void Without_the_model_edges_are_compared_and_the_reason_is_said()
    {
        var found = AlikeNodes.Of(PictureSamples.Of([Row(Low, 0, 1), Row(Low, 1, 1), Row(High, 0, 2)],
            [new(0, 2, 1, 1), new(1, 2, 1, 1)]), null, CancellationToken.None);
        Assert.Contains("is not at", found.Note);
        Assert.Single(found.Groups);
    }

    [Fact]
    public void Of_a_large_graph_the_strongest_are_compared()
    {
        var found = AlikeNodes.ByEdges(PictureSamples.Large(1_000, 4_000));
        Assert.True(found.Groups.SelectMany(g => g.Nodes).Distinct().Count() <= SuggestedGroups.Most);
    }

    private static string Words(SuggestedGroup group) => $"{group.By} {string.Join(',', group.Nodes)} {group.Least:R}";

    private static NodeRow Row(string site, int feature, float effect) => PictureSamples.Row(site, 0, "t", feature, effect);
}
