using System.Text.Json;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View;
using OnnxAttribution.View.Page;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View.Page;

/// <summary>The word that stands beside a node's number, and where it comes from.</summary>
[Collection(nameof(TinyRuns))]
public sealed class PageWordsTests(TinyRuns runs) : IDisposable
{
    private const string Site = "blocks.0.hook_resid_pre";

    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void Without_dashboards_the_weights_say_which_tokens_each_drawn_feature_raises_and_lowers()
    {
        var picture = RunPicture.Read(runs["graph"]);
        using var data = Data(picture, FeatureDetails.Of(picture, null, CancellationToken.None));
        var told = FeatureTable.Open(Repository.TinyModel)!.Read([.. picture.Features.Select(f => (f.Site.Name, f.Feature))]);
        var (strings, sites) = (Texts(data, "strings"), data.RootElement.GetProperty("sites").EnumerateArray()
            .Select(s => s.GetProperty("name").GetString()!).ToList());
        var features = data.RootElement.GetProperty("features").EnumerateArray()
            .Where(f => f.GetProperty("feature").GetInt32() >= 0).ToList();
        Assert.True(features.Count > 100);
        var same = 0;
        foreach (var f in features)
        {
            Assert.Equal(JsonValueKind.Null, f.GetProperty("card").ValueKind);
            var card = told[(sites[f.GetProperty("site").GetInt32()], f.GetProperty("feature").GetInt32())];
            string[] Of(string name) => [.. f.GetProperty("tokens").GetProperty(name).EnumerateArray().Select(i => strings[i.GetInt32()])];
            Assert.Equal(Of("up")[0], f.GetProperty("word").GetString());
            Assert.Equal((10, 10), (Of("up").Length, Of("down").Length));
            if (Of("up")[0] == card.Promoted[0].Token && Of("down")[0] == card.Suppressed[0].Token) same++;
        }
        // the table's logits have four digits, so that what is equal in them stands in either order
        Assert.InRange(same, features.Count - 4, features.Count);
    }

    [Fact]
    public void Where_the_runs_bundle_is_gone_the_page_says_so_in_one_line_with_the_command_that_mends_it()
    {
        var picture = RunPicture.Read(HostileRun.Write(_directory["run"]));
        using var data = Data(picture, FeatureDetails.Of(picture, null, CancellationToken.None));
        var note = data.RootElement.GetProperty("run").GetProperty("note").GetString()!;
        Assert.Contains("so features are shown without words", note);
        Assert.Contains($"'onnx-attribution view {picture.Path} --model DIR'", note);
        Assert.DoesNotContain('\n', note);
        Assert.All(data.RootElement.GetProperty("features").EnumerateArray(),
            f => Assert.Equal(JsonValueKind.Null, f.GetProperty("word").ValueKind));
    }

    [Fact]
    public void The_word_is_the_token_promoted_most_and_else_the_peak_of_the_strongest_context()
    {
        var picture = PictureSamples.Of([PictureSamples.Row(Site, 0, "a", 1, 3), PictureSamples.Row(Site, 0, "a", 2, 3),
            PictureSamples.Row(Site, 0, "a", 3, 3), PictureSamples.Row(Site, 0, "a", -1, 3)], []);
        FeatureDashboard Card(int feature, params TokenLogit[] promoted) => new(Site, feature, 0.1, 1, 2, [1],
            [new(0, 1, ["a", " peak", "b"], [0, 2, 0]), new(0, 0, ["weaker"], [1])], promoted, [], []);
        var details = FeatureDetails.With(new DashboardCards(new Dictionary<(string, int), FeatureDashboard>
        {
            [(Site, 1)] = Card(1, new(" most", 2), new(" less", 1)),
            [(Site, 2)] = Card(2),
        }, null));
        Assert.Equal([null, " most", " peak", null, null], picture.Nodes.Select(n => details.WordOf(picture, n)));
    }

    [Fact]
    public void A_column_without_a_drawn_node_is_a_tick_and_the_others_keep_their_width()
    {
        var facts = PictureSamples.Facts("abcdef");
        facts["token_strings"] = new System.Text.Json.Nodes.JsonArray("a", "b", "c", "d", "e", "f");
        var picture = PictureSamples.Of([PictureSamples.Row(Site, 1, "b", 1, 3), PictureSamples.Row(Site, 4, "e", 1, 3)],
            [new(0, CausalEdge.Metric, 1, 3)], facts, 5);
        var columns = PictureLayout.Of(picture).Columns;
        Assert.Equal([true, false, true, true, false, false], columns.Select(c => c.IsTick));
        Assert.Equal([false, true, false, false, true, true],
            columns.Select(c => Math.Abs(c.Right - c.Left - PictureLayout.BoxWidth) < 1e-9));
        foreach (var (left, right) in columns.Zip(columns.Skip(1))) Assert.True(left.Right + 6 < right.Left);
    }

    public void Dispose() => _directory.Dispose();

    private static JsonDocument Data(RunPicture picture, FeatureDetails details) =>
        JsonDocument.Parse(PageData.Json(picture, details, "graph.html"));

    private static List<string> Texts(JsonDocument data, string name) =>
        [.. data.RootElement.GetProperty(name).EnumerateArray().Select(t => t.GetString()!)];
}
