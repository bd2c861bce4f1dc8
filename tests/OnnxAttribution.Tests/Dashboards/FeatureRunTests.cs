using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution.Invariants;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>Dashboards of the small random model against a look at all activations at once.</summary>
public sealed class FeatureRunTests(Random2Bundle model) : IClassFixture<Random2Bundle>
{
    [Fact]
    public void Statistics_and_contexts_are_those_of_all_activations_at_once()
    {
        using var collected = new CollectedText(model.Path);
        var options = CollectedText.Options;
        var summary = collected.Run();
        using var loaded = LoadedModel.Open(collected.Bundle, null, new RunContext(threads: 1));
        var naive = new NaiveStatistics(loaded, loaded.Tokenizer, File.ReadAllText(collected.TextPath), options.Window);
        Assert.Equal((naive.Tokens, naive.Sequences, 40L, 280),
            ((int)summary.Tokens, (int)summary.Sequences, summary.Documents, summary.Features));
        var rows = collected.Table.ReadAll().ToList();
        Assert.Equal(loaded.Selected.SelectMany(s => Enumerable.Range(0, 40).Select(f => (s.Name, f))),
            rows.Select(r => (r.Site, r.Feature)));
        Assert.Equal(summary.Dead, rows.Count(r => r.IsDead));
        foreach (var row in rows)
        {
            var site = loaded.Bundle.SiteNamed(row.Site);
            var events = naive.Events(site, row.Feature);
            Assert.Equal((double)events.Count / naive.Tokens, row.FiringRate, 1e-12);
            Assert.Equal(events.Count == 0 ? 0 : events.Average(e => e.Activation), row.MeanActivation, 1e-5);
            Assert.Equal(events.Select(e => e.Activation).DefaultIfEmpty().Max(), row.MaxActivation, 1e-5);
            HistogramIs(events, row);
            ContextsAre(naive, loaded, site, row, options);
        }
    }

    private static void HistogramIs(List<NaiveStatistics.Event> events, FeatureDashboard row)
    {
        Assert.Equal(events.Count, row.Histogram.Sum());
        if (row.IsDead) return;
        Assert.InRange(row.Histogram.Count, 17, 32);
        Assert.True(row.BinWidth * row.Histogram.Count >= row.MaxActivation
            && row.BinWidth * (row.Histogram.Count - 1) < row.MaxActivation);
        for (var i = 0; i < row.Histogram.Count; i++)
        {
            // what lies within rounding of an edge may be counted on either side
            const double rounding = 1e-5;
            double low = i * row.BinWidth, high = low + row.BinWidth;
            Assert.InRange(row.Histogram[i], events.Count(e => e.Activation > low + rounding && e.Activation <= high - rounding),
                events.Count(e => e.Activation > low - rounding && e.Activation <= high + rounding));
        }
    }

    private static void ContextsAre(NaiveStatistics naive, LoadedModel loaded, Site site, FeatureDashboard row, FeatureOptions options)
    {
        var expected = naive.Top(site, row.Feature, options.Top);
        var actual = row.Contexts.Where(c => c.Quantile == 0).ToList();
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < actual.Count; i++)
        {
            Assert.Equal(expected[i].Activation, actual[i].Activations[actual[i].Peak], 1e-2 * expected[i].Activation);
            // which of two that are equal up to rounding comes first is rounding's matter
            if (Enumerable.Range(0, expected.Count).Any(k => k != i && Math.Abs(expected[k].Activation - expected[i].Activation) < 1e-4)
                || i == options.Top - 1)
            {
                continue;
            }
            var (peak, tokens, activations) = naive.Window(site, row.Feature, expected[i]);
            Assert.Equal((peak, string.Join('|', tokens.Select(loaded.TokenText))), (actual[i].Peak, string.Join('|', actual[i].Tokens)));
            Assert.All(activations.Zip(actual[i].Activations),
                a => Assert.Equal(a.First, a.Second, Math.Max(1e-5, 1e-2 * a.First)));      // three digits are kept
        }
        var places = naive.Events(site, row.Feature)
            .Select(e => naive.Window(site, row.Feature, e))
            .ToLookup(w => string.Join('|', w.Tokens.Select(loaded.TokenText)));
        Assert.All(row.Contexts, c => Assert.Contains(places[string.Join('|', c.Tokens)], w => w.Peak == c.Peak));
        Assert.Equal(row.Contexts.Count, row.Contexts.Select(c => (c.Peak, string.Join('|', c.Tokens))).Distinct().Count());
        Assert.All(row.Contexts.GroupBy(c => c.Quantile).Where(g => g.Key > 0), g => Assert.InRange(g.Count(), 1, 3));
        Assert.All(row.Contexts, c => Assert.InRange(c.Quantile, 0, options.Quantiles));
        float[] strata = [.. row.Contexts.Where(c => c.Quantile > 0).Select(c => c.Activations[c.Peak])];
        Assert.Equal(strata.OrderDescending(), strata);
    }

    [Fact]
    public void Promoted_and_suppressed_tokens_are_those_of_the_checkpoints_own_tensors()
    {
        using var collected = new CollectedText(model.Path);
        collected.Run();
        using var loaded = LoadedModel.Open(collected.Bundle, null, new RunContext(threads: 1));
        var naive = new NaiveStatistics(loaded, loaded.Tokenizer, File.ReadAllText(collected.TextPath), 3);
        // J u = mean over tokens of (u − mean u) / σ ∘ w, times the unembedding, less its mean over the vocabulary; in double
        double[] gain = Doubles("ln_f.weight"), embedding = Doubles("wte.weight");
        var (d, v) = (gain.Length, embedding.Length / gain.Length);
        Assert.InRange(naive.Final.Count, 1000, 4096);    // the sample is the whole text
        var inverse = naive.Final.Average(x => 1 / Math.Sqrt(x.Average(a => Math.Pow(a - x.Average(), 2)) + 1e-5));
        foreach (var site in loaded.Selected)
        {
            var decoder = loaded.DictionaryOf(site)!.DecoderRows([.. Enumerable.Range(0, 40)], 1);
            foreach (var row in collected.Table.ReadAll([site.Name]))
            {
                double[] u = [.. decoder[row.Feature].ToArray().Select(x => (double)x)];
                double[] moved = [.. u.Select((x, i) => (x - u.Average()) * inverse * gain[i])];
                double[] logits =
                    [.. Enumerable.Range(0, v).Select(t => Enumerable.Range(0, d).Sum(i => moved[i] * embedding[(t * d) + i]))];
                var effects = logits.Select(l => l - logits.Average()).Index().ToDictionary(e => loaded.TokenText(e.Index), e => e.Item);
                Listed(effects.OrderByDescending(e => e.Value), row.Promoted, effects);
                Listed(effects.OrderBy(e => e.Value), row.Suppressed, effects);
            }
        }
    }

    private static void Listed(IEnumerable<KeyValuePair<string, double>> expected, IReadOnlyList<TokenLogit> actual,
        Dictionary<string, double> effects)
    {
        Assert.Equal(10, actual.Select(t => t.Token).Distinct().Count());
        Assert.All(actual.Zip(expected),
            p => Assert.Equal(p.Second.Value, p.First.Logit, Math.Max(1e-5, 2e-3 * Math.Abs(p.Second.Value))));    // four digits are kept
        Assert.All(actual, t => Assert.Equal(effects[t.Token], t.Logit, Math.Max(1e-5, 2e-3 * Math.Abs(t.Logit))));
    }

    [Fact]
    public void Nearest_features_are_those_with_the_largest_cosine_and_never_the_feature_itself()
    {
        using var collected = new CollectedText(model.Path);
        collected.Run();
        using var model2 = LoadedModel.Open(collected.Bundle, null, new RunContext(threads: 1));
        foreach (var site in model2.Selected)
        {
            var decoder = model2.DictionaryOf(site)!.DecoderRows([.. Enumerable.Range(0, 40)], 1);
            double Dot(int a, int b) => decoder[a].ToArray().Zip(decoder[b].ToArray()).Sum(p => (double)p.First * p.Second);
            foreach (var row in collected.Table.ReadAll([site.Name]))
            {
                var cosines = Enumerable.Range(0, 40)
                    .Where(i => i != row.Feature)
                    .ToDictionary(i => i, i => Dot(i, row.Feature) / Math.Sqrt(Dot(i, i) * Dot(row.Feature, row.Feature)));
                Assert.Equal(10, row.Nearest.Select(n => n.Feature).Distinct().Count());
                Assert.All(row.Nearest.Zip(cosines.Values.OrderDescending()), p => Assert.Equal(p.Second, p.First.Cosine, 1e-4));
                Assert.All(row.Nearest, n => Assert.Equal(cosines[n.Feature], n.Cosine, 1e-4));
            }
        }
    }

    private static double[] Doubles(string tensor) => [.. Export.Random2.Weight(tensor).Select(x => (double)x)];
}
