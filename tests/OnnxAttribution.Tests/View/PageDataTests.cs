using System.Text.Json;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View;

public sealed class PageDataTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void The_data_hold_every_kept_node_and_edge_and_the_metric()
    {
        using var data = Data(HostileRun.Write(_directory["run"]));
        var nodes = data.RootElement.GetProperty("nodes").EnumerateArray().ToList();
        Assert.Equal(["0.7", "0.err", "0.11", "metric"], nodes.Select(n => n.GetProperty("l").GetString()));
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
        // taking the node away moves the metric by the effect, so the node itself does the opposite; the downstream activation by the effect over its gradient, 2
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
        Assert.Equal(HostileRun.Tokens, data.RootElement.GetProperty("run").GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!));
        Assert.Contains("<script>alert(3)</script>", data.RootElement.GetProperty("strings").EnumerateArray().Select(t => t.GetString()));
    }

    [Fact]
    public void A_dashboard_stands_with_its_feature_and_repeats_no_text()
    {
        using var data = Data(HostileRun.Write(_directory["run"]), Card("again"));
        var card = data.RootElement.GetProperty("features").EnumerateArray().Single(f => f.GetProperty("card").ValueKind == JsonValueKind.Object).GetProperty("card");
        var context = card.GetProperty("ctx")[0];
        Assert.Equal("[[1,0.5]]", context.GetProperty("a").GetRawText());
        Assert.Equal(context.GetProperty("t")[0].GetInt32(), context.GetProperty("t")[2].GetInt32());
        Assert.Equal(["again", "b"], data.RootElement.GetProperty("strings").EnumerateArray().Select(t => t.GetString()));
    }

    public void Dispose() => _directory.Dispose();

    private static Dictionary<(string, int), FeatureDashboard> Card(string token) => new()
    {
        [(HostileRun.Upstream, 7)] = new FeatureDashboard(HostileRun.Upstream, 7, 0.25, 1, 2, [3, 1], [new FeatureContext(0, 1, [token, "b", token], [0, 0.5f, 0])], [new TokenLogit(token, 1)], [new TokenLogit("b", -1)], [new NearFeature(8, 0.5f)]),
    };

    private static JsonDocument Data(string run, Dictionary<(string, int), FeatureDashboard>? cards = null) => JsonDocument.Parse(Json(run, cards));

    private static string Json(string run, Dictionary<(string, int), FeatureDashboard>? cards = null) => PageData.Json(RunPicture.Read(run), new DashboardCards(cards ?? [], null));
}
