using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Figures;

/// <summary>What is said to raise and to lower, against the numbers of runs of every kind.</summary>
public sealed class SignsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("--metric loss")]
    [InlineData("--patch-prompt|Copyright [C|--metric|logit-diff")]
    [InlineData("--patch-prompt|Copyright [C|--method|ig|--steps|2")]
    [InlineData("--metric|kl|--method|ig|--steps|2")]
    [InlineData("--method exact")]
    [InlineData("--patch-prompt|Copyright [C|--estimator|relp")]
    public void An_edge_raises_the_downstream_activation_by_the_jacobian_times_what_the_upstream_one_loses(string options)
    {
        var picture = Run([.. options.Split(options.Contains('|') ? '|' : ' ')]);
        var between = picture.Edges.Where(e => !float.IsNaN(e.Jacobian) && !picture.Nodes[e.Down].IsMetric).ToList();
        Assert.NotEmpty(between);
        foreach (var e in between)
        {
            var (up, down) = (picture.Nodes[e.Up], picture.Nodes[e.Down]);
            var expected = (double)e.Jacobian * (up.Activation - up.PatchActivation);
            Assert.Equal(expected, e.OnDownstream, 1e-5 * Math.Abs(expected));
            // what leads to a node counts as the node's own effect was found
            var slope = down.Method is "exact" or "depth-1" ? down.Effect / (down.PatchActivation - down.Activation) : down.Gradient;
            Assert.Equal(expected * slope, e.OnMetric, 1e-5 * Math.Abs(expected * slope));
        }
    }

    [Fact]
    public void Doubling_a_feature_shows_it_raising_what_falls_when_it_is_taken_away()
    {
        var (away, twice) = (Ablated("0"), Ablated("2"));
        var place = ((PictureEdge Edge, RunPicture Of) e) =>
            (e.Of.Nodes[e.Edge.Up].Label, e.Of.Nodes[e.Edge.Down].Label, e.Of.Nodes[e.Edge.Down].Position);
        var doubled = twice.Edges.ToDictionary(e => place((e, twice)), e => e.OnDownstream);
        // the strongest are nearly linear
        foreach (var e in away.Edges.Take(5))
        {
            Assert.True(e.OnDownstream * doubled[place((e, away))] > 0,
                $"{place((e, away))}: {e.OnDownstream} and {doubled[place((e, away))]}");
        }
    }

    [Theory]
    [InlineData(0, -1, "without it")]
    [InlineData(0.5, -1, "times 0.5")]
    [InlineData(-1, -1, "times -1")]
    [InlineData(2, 1, "times 2")]
    public void A_change_by_more_of_a_feature_has_the_features_own_sign(double coefficient, int sign, string words)
    {
        var facts = PictureSamples.Facts("a");
        (facts["kind"], facts["options"]) = ("ablation", new JsonObject { ["coefficient"] = coefficient });
        var picture = PictureSamples.Of([PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, 3),
            PictureSamples.Row("blocks.1.hook_resid_pre", 0, "a", 2, float.NaN)],
            [new(0, 1, float.NaN, 4), new(0, CausalEdge.Metric, float.NaN, 2)], facts);
        Assert.Equal([4 * sign, 2 * sign], picture.Edges.Select(e => e.OnDownstream));
        Assert.Equal([float.NaN, 2 * sign], picture.Edges.Select(e => e.OnMetric));
        Assert.Equal([3 * sign, 0], picture.Nodes.Take(2).Select(n => n.Contribution));
        Assert.Contains($"{(sign > 0 ? "raises" : "lowers")} the metric: {words} +3", PictureWords.Of(picture, picture.Nodes[0]));
        Assert.Contains("ablated 0.25", PictureWords.Of(picture, picture.Nodes[0]));
    }

    [Fact]
    public void A_node_without_an_effect_neither_raises_nor_lowers() =>
        Assert.Contains("does nothing for the metric",
            PictureWords.Of(PictureSamples.Single(), PictureSamples.Single().Nodes[0] with { Effect = 0 }));

    [Fact]
    public void Merged_pairs_of_prompts_are_told_to_be_patched()
    {
        File.WriteAllText(_directory["prompts.jsonl"], """{"prompt":"Copyright (C","patch_prompt":"Copyright [C"}""");
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["prompts.jsonl"], "--directories", "--sites", "resid",
            "--out", _directory["pairs"], "--no-page").Done();
        var picture = RunPicture.Read(_directory["pairs/merged"]);
        Assert.True(picture.Header is { IsPatched: true, IsMerged: true, PatchPrompt: null });
        Assert.Contains("with its patch value", PictureWords.Of(picture, picture.Nodes[0]));
        Assert.False(Ablated("0").Header.IsPatched);
    }

    private RunPicture Run(string[] options)
    {
        Verb.Run(["graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--sites", "resid",
            "--out", _directory["run"], "--no-page", .. options]).Done();
        return RunPicture.Read(_directory["run"]);
    }

    private RunPicture Ablated(string coefficient)
    {
        Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--sites", "resid",
            "--coefficient", coefficient, "--out", _directory[coefficient], "--no-page").Done();
        return RunPicture.Read(_directory[coefficient]);
    }
}
