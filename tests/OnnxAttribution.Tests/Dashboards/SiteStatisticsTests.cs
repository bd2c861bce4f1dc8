using OnnxAttribution.Dashboards;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution.Invariants;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>Which contexts are kept and shown, of activations written by hand.</summary>
public sealed class SiteStatisticsTests(Random2Bundle model) : IClassFixture<Random2Bundle>
{
    [Fact]
    public void Of_contexts_with_the_same_tokens_the_strongest_is_kept_whichever_comes_first()
    {
        foreach (var activations in (float[][])[[1, 2], [2, 1]])
        {
            var statistics = Statistics(new FeatureOptions { Top = 3, Window = 1, Quantiles = 0 });
            for (var s = 0; s < 2; s++) Add(statistics, s, [9, 7, 9], [0, activations[s], 0]);
            var kept = Assert.Single(statistics.Top(0));
            Assert.Equal((2, activations[0] == 2 ? 0 : 1), (kept.Activation, (int)(kept.Place >> 24)));
        }
    }

    [Fact]
    public void Of_the_weakest_that_are_equal_the_later_makes_room()
    {
        var statistics = Statistics(new FeatureOptions { Top = 2, Window = 1, Quantiles = 0 });
        for (var s = 0; s < 3; s++) Add(statistics, s, [9, s, 9], [0, s == 2 ? 2 : 1, 0]);
        Assert.Equal([2, 0], statistics.Top(0).Select(k => (int)(k.Place >> 24)));
    }

    [Fact]
    public void A_stratum_shows_its_samples_in_the_order_of_the_text_and_not_the_strongest_of_them()
    {
        var options = new FeatureOptions { Top = 1, Window = 1, Quantiles = 1 };
        var statistics = Statistics(options);
        for (var s = 0; s < 20; s++) Add(statistics, s, [9, s, 9], [0, s + 1, 0]);
        // activations rise with the text
        float[] earliest = [.. statistics.Samples(0).Select(k => k.Activation).Where(a => a < 20).Order().Take(3).OrderDescending()];
        Assert.Equal([20, .. earliest], Contexts(statistics, options).Select(c => c.Activations[c.Peak]));
    }

    [Fact]
    public void A_sample_beside_a_stronger_context_is_passed_over()
    {
        var options = new FeatureOptions { Top = 1, Window = 1, Quantiles = 1 };
        var statistics = Statistics(options);
        Add(statistics, 0, [1, 2, 3, 4, 5, 6, 7], [5, 4, 3, 0, 0, 2, 0]);    // 4 and 3 lie within two windows of 5, 2 does not
        Assert.Equal([5, 2], Contexts(statistics, options).Select(c => c.Activations[c.Peak]));
    }

    [Fact]
    public void No_feature_is_its_own_neighbour_in_any_block()
    {
        using var nearest = new NearestFeatures(new RunContext(threads: 1));
        var random = new Random(1);
        var rows = NearestFeatures.Normalized([.. Enumerable.Range(0, 12 * 4).Select(_ => random.NextSingle() - 0.5f)], 4);
        foreach (var (found, i) in nearest.Find(rows, 4, 5, 3).Select((f, i) => (f, i)))
        {
            Assert.DoesNotContain(found, n => n.Feature == 5 + i);
        }
    }

    [Fact]
    public void Tokens_without_a_text_are_not_listed_and_the_scale_is_the_mean_of_the_texts()
    {
        using var opened = LoadedModel.Open(model.Path, null, new RunContext(threads: 1));
        var (random, d) = (new Random(2), opened.Bundle.Manifest.DModel);
        float[] Random() => [.. Enumerable.Range(0, d).Select(_ => random.NextSingle() - 0.5f)];
        float[] x = Random(), wide = [.. x.Select(v => 3 * v)], row = Random();
        (int Token, float Logit)[] Promoted(params float[] sample)
        {
            using var effects = TokenEffects.Create(opened.Bundle, opened.Context, sample)!;
            var (promoted, suppressed) = effects.Strongest(row.ToArray(), 15)[0];
            Assert.All(promoted.Concat(suppressed), t => Assert.InRange(t.Token, 0, 14));
            return [.. promoted];
        }
        var (one, other, both) = (Promoted(x), Promoted(wide), Promoted([.. x, .. wide]));
        Assert.True(one[0].Logit > 2 * other[0].Logit);
        for (var i = 0; i < both.Length; i++)
        {
            Assert.Equal((one[i].Logit + other[i].Logit) / 2, both[i].Logit, 1e-4 * Math.Abs(one[i].Logit));
        }
    }

    private static SiteStatistics Statistics(FeatureOptions options) => new(40, options, 1);

    // feature 0 alone
    private static void Add(SiteStatistics statistics, int number, int[] tokens, float[] activations)
    {
        var rows = new SparseRows();
        foreach (var a in activations)
        {
            rows.Open(1, out var at)[0] = 0;
            at[0] = a;
            rows.Close(a > 0 ? 1 : 0);
        }
        statistics.Add(number, tokens, 0, rows, 0);
    }

    private IReadOnlyList<FeatureContext> Contexts(SiteStatistics statistics, FeatureOptions options)
    {
        using var opened = LoadedModel.Open(model.Path, null, new RunContext(threads: 1));
        using var nearest = new NearestFeatures(opened.Context);
        var site = opened.Selected[0];
        return new DashboardAssembly(new(t => $"{t}", 100), 60, options, new(null, nearest, 1))
            .Assemble(site, opened.DictionaryOf(site)!, statistics, null, CancellationToken.None)
            .First().Contexts;
    }
}
