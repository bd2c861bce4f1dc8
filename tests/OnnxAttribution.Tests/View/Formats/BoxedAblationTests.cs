using System.Xml.Linq;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>Boxes of a run of <c>ablate</c>.</summary>
[Collection(nameof(TinyRuns))]
public sealed class BoxedAblationTests(TinyRuns runs)
{
    private static readonly PictureLimits s_limits = new(PictureLimits.BoxNodes, PictureLimits.BoxEdges) { IsBoxed = true };

    [Fact]
    public void What_leads_to_an_ablated_feature_at_any_position_leads_to_its_box()
    {
        var (picture, stored) = (RunPicture.Read(runs["ablated"], s_limits), RunDirectory.Read(runs["ablated"]));
        var inner = picture.Edges.Where(e => e.Down != picture.Metric).ToList();
        Assert.NotEmpty(inner);
        foreach (var edge in inner)
        {
            var (up, down) = (picture.Nodes[edge.Up], picture.Nodes[edge.Down]);
            Assert.Equal(-1, down.Position);
            var sum = stored.Edges.ToArray().Where(e => e.Down != CausalEdge.Metric && Is(stored.Nodes[e.Up], up)
                && stored.Nodes[e.Up].Position == up.Position && Is(stored.Nodes[e.Down], down)).Sum(e => (double)e.Effect);
            Assert.Equal(sum, edge.Effect, 1e-4 * Math.Max(1, Math.Abs(sum)));
        }

        static bool Is(NodeRow row, PictureNode node) => row.Site == node.Site!.Name && row.Feature == node.Feature;
    }

    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void No_box_stands_alone(string run)
    {
        var picture = RunPicture.Read(runs[run], s_limits);
        Assert.NotEmpty(picture.Edges);
        Assert.All(Enumerable.Range(0, picture.Nodes.Count), i => Assert.Contains(picture.Edges, e => e.Up == i || e.Down == i));
    }

    // 0 takes the feature away, 2 doubles it: what the one lowers the other raises
    [Fact]
    public void Promoted_tokens_are_those_that_the_feature_promotes_though_it_was_made_more()
    {
        using var directory = new TemporaryDirectory();
        Verb.Run("ablate", "--model", runs.Bundle, "--prompt", "Copyright (C", "--target", ")", "--sites", "resid", "--coefficient", "2",
            "--no-page", "--out", directory["run"]).Done();
        var (less, more) = (Tokens(runs["ablated"]), Tokens(directory["run"]));
        Assert.Contains(")", less["blocks.3.hook_resid_pre 263"].Promoted);
        Assert.Contains(")", more["blocks.3.hook_resid_pre 263"].Promoted);
        Assert.Contains("ln p(ablated) − ln p(clean)", Drawn(directory["run"]));
        Assert.Contains("ln p(clean) − ln p(ablated)", Drawn(runs["ablated"]));
    }

    private static Dictionary<string, TokenTexts> Tokens(string run)
    {
        var picture = RunPicture.Read(run);
        var measured = MeasuredTokens.Of(run, picture.Stored.Record.SignOfClean, TestContext.Current.CancellationToken);
        return picture.Nodes.Where(n => measured[n] is not null).DistinctBy(n => (n.Site!.Name, n.Feature))
            .ToDictionary(n => $"{n.Site!.Name} {n.Feature}", n => new TokenTexts(measured[n]!.Promoted));
    }

    private static string Drawn(string run)
    {
        var picture = RunPicture.Read(run, s_limits);
        using var writer = new StringWriter();
        BoxedSvg.Write(picture, FeatureDetails.Of(picture, null, TestContext.Current.CancellationToken), new(3, SvgTheme.Light), writer,
            TestContext.Current.CancellationToken);
        return string.Join('\n', XElement.Parse(writer.ToString()).DescendantsAndSelf().Select(e => e.Value));
    }

    private sealed record TokenTexts(IReadOnlyList<string> Promoted);
}
