using OnnxAttribution.Model;
using OnnxAttribution.Preflight;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Preflight;

/// <summary>The figures of a check: against the dictionaries' own encoder and the model's own passes,
/// which share no code with it, and on models/tiny, whose dictionaries are sound.</summary>
public sealed class BundleCheckTests(Random2Bundle random2) : IClassFixture<Random2Bundle>
{
    private static CheckReport Tiny(CheckOptions options)
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext(threads: 2));
        return BundleCheck.Run(model, null, options);
    }

    [Fact]
    public void Thirteen_trained_dictionaries_give_no_finding_and_the_figures_of_their_training()
    {
        var report = Tiny(new CheckOptions { Tokens = 2048, LossTokens = 512 });
        Assert.Empty(report.Findings);
        Assert.Equal(13, report.Sites.Count);
        Assert.Equal(2048, report.Tokens);
        Assert.All(report.Sites, s =>
        {
            // models/tiny/README.md, on another text: 0.927 to 0.998, k or 32 features,
            // at least 0.93 recovered (there of the mean-ablated loss)
            Assert.InRange(s.Fit.VarianceExplained, 0.9, 1);
            Assert.InRange(s.Fit.L0, s.K - 0.1 ?? 24, s.K ?? 40);
            Assert.InRange(s.Fit.NormRatio, 0.9, 1.02);
            Assert.InRange(s.Loss!.Recovered!.Value, 0.85, 1.1);
            Assert.InRange(s.Loss.Clean, 3, 5);
            Assert.True(s.Loss.Zero > s.Loss.Clean);
        });
        Assert.Single(report.Sites.Select(s => s.Loss!.Clean).Distinct());
    }

    [Fact]
    public void The_short_check_of_an_export_finds_nothing_in_them_either() => Assert.Empty(Tiny(CheckOptions.Quick).Findings);

    [Fact]
    public void Figures_are_those_of_the_encoder_that_graphs_use()
    {
        using var model = LoadedModel.Open(random2.Path, null, new RunContext(threads: 1));
        var report = BundleCheck.Run(model, null, new CheckOptions { Tokens = 93, LossTokens = 0, SampleTokens = 32 });
        var sequences = CheckText.Read(model, null, 31, 93).Sequences;
        Assert.Equal(3, sequences.Count);
        foreach (var check in report.Sites)
        {
            var site = model.Bundle.SiteNamed(check.Site);
            var dictionary = model.DictionaryOf(site)!;
            var (rows, errors, active) = (new List<float[]>(), new List<float[]>(), new List<int[]>());
            foreach (var tokens in sequences)
            {
                using var run = ActivationCache.Of(model, [256, .. tokens]);
                var x = run[check.Site].ToArray();
                var encoding = model.Encoder.Encode(dictionary, x, tokens.Length + 1);
                for (var t = 1; t <= tokens.Length; t++)
                {
                    rows.Add(x[(t * 16)..((t + 1) * 16)]);
                    errors.Add(encoding.Error(t).ToArray());
                    active.Add(encoding.Features[t]);
                }
            }
            Assert.Equal(93, check.Fit.Tokens);
            Assert.Equal(active.Average(a => a.Length), check.Fit.L0, 6);
            Assert.Equal(40 - active.SelectMany(a => a).Distinct().Count(), check.Dead);
            Assert.Equal(active.SelectMany(a => a).GroupBy(f => f).Count(g => g.Count() > 9.3), check.Dense);
            var variance = Enumerable.Range(0, 16).Sum(i => rows.Sum(r => Math.Pow(r[i] - rows.Average(q => (double)q[i]), 2)));
            // float32 sums in another order: 1e-6 of either sum
            var expected = 1 - (errors.Sum(e => e.Sum(v => (double)v * v)) / variance);
            Assert.Equal(expected, check.Fit.VarianceExplained, 1e-5 * Math.Max(1, Math.Abs(expected)));
            var lengths =
                rows.Zip(errors, (r, e) => Math.Sqrt(r.Zip(e, (a, b) => Math.Pow(a - b, 2)).Sum()) / Math.Sqrt(r.Sum(v => (double)v * v)));
            Assert.Equal(lengths.Average(), check.Fit.NormRatio, 1e-5 * lengths.Average());
        }
    }

    [Fact]
    public void Cross_entropies_are_those_of_passes_in_which_the_site_is_replaced()
    {
        using var model = LoadedModel.Open(random2.Path, ["blocks.0.hook_attn_out", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post"],
            new RunContext(threads: 1));
        // 31 + 31 + 8 tokens: the last sequence is padded in its batch
        var loss = BundleCheck.Run(model, null, new CheckOptions { Tokens = 70, LossTokens = 70, SampleTokens = 32 }).Sites;
        foreach (var check in loss)
        {
            var site = model.Bundle.SiteNamed(check.Site);
            double clean = 0, spliced = 0, zero = 0;
            var n = 0;
            foreach (var text in CheckText.Read(model, null, 31, 70).Sequences)
            {
                int[] tokens = [256, .. text];
                using var run = ActivationCache.Of(model, tokens);
                var x = run[check.Site].ToArray();
                var encoding = model.Encoder.Encode(model.DictionaryOf(site), x, tokens.Length);
                var rebuilt = x.Select((v, i) => i < 16 ? v : v - encoding.Errors[i]).ToArray();      // BOS stays
                for (var t = 1; t < tokens.Length - 1; t++, n++)
                {
                    clean += Nats(run.Logits(t).ToArray(), tokens[t + 1]);
                    spliced += Nats(Replaced(run, check.Site, rebuilt, t), tokens[t + 1]);
                    zero += Nats(Replaced(run, check.Site, new float[x.Length], t), tokens[t + 1]);
                }
            }
            Assert.Equal(n, check.Loss!.Predictions);
            Assert.Equal(clean / n, check.Loss.Clean, 5);
            Assert.Equal(spliced / n, check.Loss.Spliced, 5);
            Assert.Equal(zero / n, check.Loss.Zero, 5);
        }
    }

    private static float[] Replaced(ActivationCache run, string site, float[] value, int position)
    {
        using var pass = run.Intervene();
        foreach (var at in pass.From(site))
        {
            at.Value = value;
            break;
        }
        return pass.Logits(position);
    }

    private static double Nats(float[] logits, int target)
    {
        var most = logits.Max();
        return most + Math.Log(logits.Sum(l => Math.Exp(l - most))) - logits[target];
    }

    [Fact]
    public void Little_memory_changes_no_figure()
    {
        using var model = LoadedModel.Open(random2.Path, null, new RunContext(threads: 2));
        // a budget below one site's activations: a pass over the text per site, a sequence per batch
        using var small = LoadedModel.Open(random2.Path, null, new RunContext(threads: 2, memoryBudget: 1000));
        var options = new CheckOptions { Tokens = 400, LossTokens = 100, SampleTokens = 32 };
        var (much, little) = (BundleCheck.Run(model, null, options), BundleCheck.Run(small, null, options));
        Assert.Equal(much.Sites.Select(s => (s.Site, s.Dead, s.Dense)), little.Sites.Select(s => (s.Site, s.Dead, s.Dense)));
        foreach (var (a, b) in much.Sites.Zip(little.Sites))
        {
            Assert.Equal(a.Fit.VarianceExplained, b.Fit.VarianceExplained, 1e-5 * Math.Max(1, Math.Abs(a.Fit.VarianceExplained)));
            Assert.Equal(a.Loss!.Spliced, b.Loss!.Spliced, 5);
        }
    }

    [Fact]
    public void Dictionaries_with_and_without_BOS_are_each_read_in_their_own_way()
    {
        using var directory = new TemporaryDirectory();
        var bundle = Random2Bundle.With(directory, "mixed", site =>
        {
            var files = DictionaryFiles.Read(Path.Combine(Random2.Checkpoint, "dictionaries", site));
            files.Config["metadata"]!["prepend_bos"] = !site.Contains("mlp");
            return files;
        });
        using var model = LoadedModel.Open(bundle, null, new RunContext(threads: 2));
        var report = BundleCheck.Run(model, null, new CheckOptions { Tokens = 93, LossTokens = 31, SampleTokens = 32 });
        Assert.All(report.Sites, s => Assert.Equal(!s.Site.Contains("mlp"), s.PrependBos));
        // the first position of three sequences is BOS, or does not count
        Assert.All(report.Sites, s => Assert.Equal(s.PrependBos ? 93 : 90, s.Fit.Tokens));
        Assert.Contains(report.Notes, n => n.Contains("select sites of one kind"));
        using var alone = LoadedModel.Open(random2.Path, ["attn"], new RunContext(threads: 2));
        var same = BundleCheck.Run(alone, null, new CheckOptions { Tokens = 93, LossTokens = 31, SampleTokens = 32 });
        Assert.Equal(same.Sites.Select(s => s.Fit), report.Sites.Where(s => s.Site.Contains("attn")).Select(s => s.Fit));
        Assert.DoesNotContain(same.Notes, n => n.Contains("select sites of one kind"));
    }

    [Fact]
    public void What_is_cancelled_ends()
    {
        using var cancel = new CancellationTokenSource();
        using var model = LoadedModel.Open(random2.Path, null, new RunContext(threads: 2, cancel: cancel.Token));
        var progress = new Cancelling(cancel);
        Assert.ThrowsAny<OperationCanceledException>(() => BundleCheck.Run(model, null, new CheckOptions { Tokens = 400 }, progress));
        Assert.True(progress.Reports < 9, $"{progress.Reports} more stages");
    }

    private sealed class Cancelling(CancellationTokenSource cancel) : IProgress<string>
    {
        public int Reports { get; private set; }

        public void Report(string value)
        {
            Reports++;
            if (value.StartsWith("blocks.", StringComparison.Ordinal)) cancel.Cancel();
        }
    }
}
