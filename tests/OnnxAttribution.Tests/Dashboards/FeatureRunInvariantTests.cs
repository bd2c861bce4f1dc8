using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Tests.Attribution.Invariants;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>What the table must not depend on.</summary>
public sealed class FeatureRunInvariantTests(Random2Bundle model) : IClassFixture<Random2Bundle>
{
    [Theory]
    [InlineData(1), InlineData(3), InlineData(1000)]
    public void The_size_of_a_batch_does_not_change_the_table(int sequences)
    {
        using CollectedText one = new(model.Path), other = new(model.Path);
        one.Run();
        other.Run(CollectedText.Options with { BatchSequences = sequences });
        Same(one.Table, other.Table);
    }

    [Fact]
    public void Reading_the_text_once_for_each_group_of_sites_gives_the_same_table()
    {
        using CollectedText one = new(model.Path), other = new(model.Path);
        Assert.Equal(1, one.Run().Passes);
        Assert.Equal(7, other.Run(memoryBudget: 1).Passes);
        Same(one.Table, other.Table);
        Assert.Equal(one.Table.Facts, other.Table.Facts);
        Assert.Equal([FeatureTable.FileName], other.Extra);
    }

    [Theory]
    [InlineData(1L << 30, 1), InlineData(1L << 30, 150), InlineData(1L, 60), InlineData(1L, 400)]
    public void An_interrupted_run_goes_on_and_leaves_the_same_file(long memory, int reports)
    {
        using CollectedText whole = new(model.Path), broken = new(model.Path);
        var options = CollectedText.Options with { BatchSequences = 1 };
        whole.Run(options, memoryBudget: memory);
        using var cancel = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => broken.Run(options, cancel: cancel.Token, memoryBudget: memory, progress: _ =>
        {
            if (--reports == 0) cancel.Cancel();
        }));
        Assert.Contains(".features.state", broken.Extra);
        Assert.DoesNotContain(FeatureTable.FileName, broken.Extra);
        var summary = broken.Run(options, memoryBudget: memory);
        Assert.True(summary.ResumedAt > 0);
        Assert.Equal(whole.Bytes, broken.Bytes);
        Assert.Equal([FeatureTable.FileName], broken.Extra);
    }

    [Fact]
    public void Other_options_or_another_text_begin_anew()
    {
        using var collected = new CollectedText(model.Path);
        void Interrupt(FeatureOptions options)
        {
            using var cancel = new CancellationTokenSource();
            Assert.ThrowsAny<OperationCanceledException>(() =>
                collected.Run(options with { BatchSequences = 1 }, cancel: cancel.Token, progress: _ => cancel.Cancel()));
        }
        Interrupt(CollectedText.Options);
        Assert.Equal(0, collected.Run(CollectedText.Options with { Top = 5 }).ResumedAt);
        Interrupt(CollectedText.Options with { Force = true });
        File.AppendAllText(collected.TextPath, "more");
        Assert.Equal(0, collected.Run(CollectedText.Options with { Force = true }).ResumedAt);
    }

    [Fact]
    public void A_table_is_replaced_only_if_that_is_asked_for_and_stays_when_its_replacement_is_cancelled()
    {
        using var collected = new CollectedText(model.Path);
        collected.Run();
        var before = collected.Bytes;
        Assert.Contains(Setting.Force, Assert.Throws<DashboardException>(() => collected.Run()).Settings);
        using var cancel = new CancellationTokenSource();
        var force = CollectedText.Options with { Force = true, Seed = 1 };
        Assert.ThrowsAny<OperationCanceledException>(() =>
            collected.Run(force with { BatchSequences = 1 }, cancel: cancel.Token, progress: _ => cancel.Cancel()));
        Assert.Equal(before, collected.Bytes);
        collected.Run(force);
        Assert.NotEqual(before, collected.Bytes);     // another seed takes other samples
    }

    [Fact]
    public void A_limit_of_tokens_reads_exactly_so_many_and_sites_may_be_chosen()
    {
        using var collected = new CollectedText(model.Path);
        var summary = collected.Run(CollectedText.Options with { Tokens = 1000 }, ["mlp"]);
        Assert.Equal((1000L, 2), (summary.Tokens, summary.Sites.Count));
        Assert.Equal(1000, collected.Table.Tokens);
        Assert.All(collected.Table.ReadAll(), f => Assert.Equal(f.FiringRate, f.Histogram.Sum() / 1000.0));
    }

    // rounding differs with the shape of a batch, so what is compared is what a reader would see
    private static void Same(FeatureTable expected, FeatureTable actual)
    {
        var (left, right) = (expected.ReadAll().ToList(), actual.ReadAll().ToList());
        Assert.Equal(left.Count, right.Count);
        foreach (var (a, b) in left.Zip(right))
        {
            Assert.Equal((a.Site, a.Feature, a.FiringRate), (b.Site, b.Feature, b.FiringRate));
            Assert.Equal(a.MeanActivation, b.MeanActivation, 1e-5f);
            Assert.Equal(a.MaxActivation, b.MaxActivation, 1e-5f);
            Assert.Equal(a.Contexts.Select(c => (c.Quantile, c.Peak, string.Concat(c.Tokens))),
                b.Contexts.Select(c => (c.Quantile, c.Peak, string.Concat(c.Tokens))));
            Assert.Equal(a.Promoted.Select(t => t.Token), b.Promoted.Select(t => t.Token));
            Assert.Equal(a.Nearest, b.Nearest);
        }
    }
}
