using System.Text.Json;
using OnnxAttribution.Attribution;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;
using OnnxAttribution.View;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Tests.View.Page;

public sealed class PageDataTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void The_data_hold_every_kept_node_and_edge_and_the_metric()
    {
        using var data = Data(HostileRun.Write(_directory["run"]));
        var nodes = data.RootElement.GetProperty("nodes").EnumerateArray().ToList();
        Assert.Equal(["0:7", "0:error", "0.resid_post:11", "metric"], nodes.Select(n => n.GetProperty("l").GetString()));
        var edges = data.RootElement.GetProperty("edges");
        Assert.Equal(3, edges.GetProperty("up").GetArrayLength());
        // strongest first
        Assert.Equal([-8, 1.5, -1.5], edges.GetProperty("eff").EnumerateArray().Select(e => e.GetDouble()));
        Assert.Equal(nodes.Count - 1, edges.GetProperty("down")[0].GetInt32());
    }

    [Fact]
    public void What_an_edge_does_is_told_for_the_metric_and_for_the_downstream_activation()
    {
        using var data = Data(HostileRun.Write(_directory["run"]));
        var edges = data.RootElement.GetProperty("edges");
        // taking the node away moves the metric by the effect, so the node itself does the opposite;
        // the downstream activation by the effect over its gradient, 2
        Assert.Equal([8, -1.5, 1.5], edges.GetProperty("met").EnumerateArray().Select(e => e.GetDouble()));
        Assert.Equal([8, -0.75, 0.75], edges.GetProperty("act").EnumerateArray().Select(e => e.GetDouble()));
    }

    [Fact]
    public void A_feature_is_shaded_at_all_positions_where_it_is_active_kept_or_not()
    {
        using var data = Data(HostileRun.Write(_directory["run"]));
        var feature = data.RootElement.GetProperty("features").EnumerateArray().Single(f => f.GetProperty("feature").GetInt32() == 7);
        Assert.Equal("[[0,1.5],[2,2]]", feature.GetProperty("acts").GetRawText());
    }

    [Fact]
    public void Hostile_texts_come_back_as_they_were_and_no_tag_is_written()
    {
        var json = Json(HostileRun.Write(_directory["run"]), Card("<script>alert(3)</script>"));
        Assert.DoesNotContain('<', json);
        Assert.DoesNotContain('>', json);
        Assert.DoesNotContain('\u2028', json);
        using var data = JsonDocument.Parse(json);
        Assert.Equal(HostileRun.Tokens,
            data.RootElement.GetProperty("run").GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!));
        Assert.Contains("<script>alert(3)</script>", data.RootElement.GetProperty("strings").EnumerateArray().Select(t => t.GetString()));
    }

    [Fact]
    public void A_dashboard_stands_with_its_feature_and_repeats_no_text()
    {
        using var data = Data(HostileRun.Write(_directory["run"]), Card("again"));
        var card = data.RootElement.GetProperty("features")
            .EnumerateArray()
            .Single(f => f.GetProperty("card").ValueKind == JsonValueKind.Object)
            .GetProperty("card");
        var context = card.GetProperty("ctx")[0];
        Assert.Equal("[[1,0.5]]", context.GetProperty("a").GetRawText());
        Assert.Equal(context.GetProperty("t")[0].GetInt32(), context.GetProperty("t")[2].GetInt32());
        Assert.Equal(["again", "b"], data.RootElement.GetProperty("strings").EnumerateArray().Select(t => t.GetString()));
    }

    [Fact]
    public void Of_more_contexts_than_a_card_has_room_for_the_strongest_and_one_of_each_stratum_stay()
    {
        var contexts = ((int[])[.. Enumerable.Repeat(0, 20), .. Enumerable.Range(1, 4).SelectMany(q => Enumerable.Repeat(q, 3))])
            .Select((q, i) => new FeatureContext(q, 0, [$"{i}"], [30 - i]))
            .ToList();
        var card = Card("a").Single().Value with { Contexts = contexts };
        using var data = Data(HostileRun.Write(_directory["run"]), new() { [(HostileRun.Upstream, 7)] = card });
        var shown = data.RootElement.GetProperty("features").EnumerateArray()
            .Single(f => f.GetProperty("card").ValueKind == JsonValueKind.Object).GetProperty("card").GetProperty("ctx").EnumerateArray();
        Assert.Equal([(0, 30), (0, 29), (0, 28), (0, 27), (0, 26), (0, 25), (0, 24), (0, 23), (1, 10), (2, 7), (3, 4), (4, 1)],
            shown.Select(c => (c.GetProperty("q").GetInt32(), c.GetProperty("a")[0][1].GetInt32())));
    }

    [Fact]
    public void A_feature_at_no_position_shades_no_token()
    {
        using var data = JsonDocument.Parse(
            PageData.Json(PictureSamples.Mixed(), FeatureDetails.None, "graph.html"));
        foreach (var feature in data.RootElement.GetProperty("features").EnumerateArray())
        {
            Assert.Equal("[[0,1.5],[1,1.5],[2,1.5]]", feature.GetProperty("acts").GetRawText());
        }
    }

    [Fact]
    public void Where_edges_are_left_out_so_are_the_nodes_that_none_is_left_at()
    {
        NodeRow[] nodes = [PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, 1),
            PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 2, 5), PictureSamples.Row("blocks.1.hook_resid_pre", 0, "a", 3, 1)];
        CausalEdge[] edges = [new(0, 2, 1, 3), new(1, 2, 1, 2)];
        Assert.Equal([1, 2, 3],
            PictureSamples.Of(nodes, edges, limits: new PictureLimits(10, 2)).Nodes.Where(n => !n.IsMetric).Select(n => n.Feature));
        Assert.Equal([1, 3],
            PictureSamples.Of(nodes, edges, limits: new PictureLimits(10, 1)).Nodes.Where(n => !n.IsMetric).Select(n => n.Feature));
    }

    public void Dispose() => _directory.Dispose();

    private static Dictionary<(string, int), FeatureDashboard> Card(string token) => new()
    {
        [(HostileRun.Upstream, 7)] = new FeatureDashboard(HostileRun.Upstream, 7, 0.25, 1, 2, [3, 1],
            [new FeatureContext(0, 1, [token, "b", token], [0, 0.5f, 0])], [new TokenLogit(token, 1)], [new TokenLogit("b", -1)],
            [new NearFeature(8, 0.5f)]),
    };

    private static JsonDocument Data(string run, Dictionary<(string, int), FeatureDashboard>? cards = null) =>
        JsonDocument.Parse(Json(run, cards));

    private static string Json(string run, Dictionary<(string, int), FeatureDashboard>? cards = null) =>
        PageData.Json(RunPicture.Read(run), FeatureDetails.With(new DashboardCards(cards ?? [], null)), Path.Combine(run, "graph.html"));
}
