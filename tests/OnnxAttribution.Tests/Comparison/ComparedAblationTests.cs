using OnnxAttribution.Comparison;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Comparison;

/// <summary>Runs that do something else to their nodes than the first, or read something else.</summary>
public sealed class ComparedAblationTests(ComparedRuns runs) : IClassFixture<ComparedRuns>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void An_ablated_feature_is_there_once_with_its_effect_though_it_is_also_an_end_at_positions()
    {
        var ablated = Run("ablate", "--sites", "resid");
        var whole = RunDirectory.Read(ablated).Nodes.Where(n => n.Position < 0 && n.Kept && !float.IsNaN(n.Effect)).ToList();
        Assert.Contains(RunDirectory.Read(ablated).Nodes,
            n => n.Position >= 0 && whole.Any(w => w.Site == n.Site && w.Feature == n.Feature));
        var compared = RunComparison.Read(runs["plain"], ablated, RunAlignment.Feature).Nodes.ToLookup(n => (n.Site, n.Feature));
        Assert.All(whole, n =>
        {
            var row = Assert.Single(compared[(n.Site, n.Feature)]);
            Assert.Equal((n.Effect, n.Activation), (row.EffectB, row.ActivationB));
        });
        Assert.True(RunComparison.Read(ablated, ablated, RunAlignment.Feature).Nodes.Count(n => !float.IsNaN(n.EffectA)) >= whole.Count);
    }

    [Fact]
    public void What_is_summed_over_positions_shares_no_node_with_what_is_not()
    {
        var ablated = Run("ablate", "--sites", "resid");
        Assert.Contains("summed over positions",
            Assert.Throws<ComparisonException>(() => RunComparison.Read(runs["plain"], ablated)).Message);
    }

    [Theory]
    [InlineData("--position 2", "the metric is read after position 3 in A, 2 in B")]
    [InlineData("--patch-prompt Copyright\u00a0[C", "A moves activations to zero, B to those of 'Copyright [C'")]
    [InlineData("--sites resid,mlp", "blocks.1.hook_attn_out")]
    public void Notes_say_what_makes_effects_those_of_something_else(string options, string words)
    {
        var other = Run("graph", [.. options.Split(' ').Select(o => o.Replace('\u00a0', ' '))]);
        Assert.Contains(RunComparison.Read(runs["plain"], other).Notes, n => n.Contains(words, StringComparison.Ordinal));
    }

    [Fact]
    public void Errors_that_are_what_is_left_of_a_site_are_said_to_be_of_other_positions()
    {
        string[] few = ["--top-errors", "1"];
        Assert.Contains(RunComparison.Read(runs["plain"], Run("graph", few)).Notes,
            n => n.StartsWith("an error without a position", StringComparison.Ordinal));
        Assert.DoesNotContain(RunComparison.Read(runs["plain"], runs["relp"]).Notes, n => n.Contains("error"));
    }

    private string Run(string verb, params string[] options)
    {
        Verb.Run([verb, "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--no-page",
            "--out", _directory["run"], .. options]).Done();
        return _directory["run"];
    }
}
