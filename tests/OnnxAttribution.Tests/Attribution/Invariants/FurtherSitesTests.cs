using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bench;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>hook_resid_mid and attn.hook_z are sites where a dictionary is for them,
/// and the graph is cut rightly whatever is mixed.</summary>
public sealed class FurtherSitesTests : IDisposable
{
    private const double Tolerance = 1e-4;

    private static readonly int[] s_tokens = [256, 40, 41, 42, 99], s_patch = [256, 7, 41, 200, 99];

    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<int> Mixtures => [.. Enumerable.Range(0, 24)];

    /// <summary>Random subsets of all eleven sites have a dictionary: the default cut is at them and nowhere else.</summary>
    [Theory, MemberData(nameof(Mixtures))]
    public void The_default_cut_of_any_mixture_of_dictionaries_conserves(int seed)
    {
        var random = new Random(seed);
        string[] all = [.. Site.Names(2, always: false)];
        string[] chosen = [.. all.Where(_ => random.Next(3) == 0).DefaultIfEmpty(all[random.Next(all.Length)])];
        // resid_post of a block that is not the last is another name of the next resid_pre
        var bundle = Bundle(chosen.Select(s => s == "blocks.1.hook_resid_pre" && random.Next(2) == 0 ? "blocks.0.hook_resid_post" : s));
        using var model = LoadedModel.Open(bundle, null, new RunContext(threads: 1));
        Assert.Equal(chosen, model.Selected.Select(s => s.Name));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            foreach (var patch in (int[]?[])[null, s_patch])
            {
                var graph = Random2Bundle.All(model, s_tokens, patch, new GraphOptions(Estimator: estimator));
                Assert.InRange(graph.ConservationViolation!.Value, 0, Tolerance);
                Assert.Contains(graph.Nodes, n => n is { IsError: false, Effect: not 0 });
            }
        }
        foreach (var patch in (int[]?[])[null, s_patch]) ExactEdgesByPasses.Agree(model, s_tokens, patch);
    }

    [Fact]
    public void Making_hooks_sites_leaves_the_logits_unchanged()
    {
        var tokens = s_tokens;
        var (plain, further) = (Random2.Bundle(Random2.Checkpoint, _directory["plain"]),
            Random2.Bundle(Random2.Checkpoint, _directory["further"], o => o with { FurtherSites = [SiteKind.ResidMid, SiteKind.Z] }));
        using var a = LoadedModel.Open(plain, null, new RunContext(threads: 1));
        using var b = LoadedModel.Open(further, null, new RunContext(threads: 1));
        Assert.Equal(Site.Names(2, always: true), a.Bundle.Manifest.Sites);
        // the rest is made for transcoders that read or need it
        Assert.Equal(Site.Names(2, always: false).Where(s => !Site.Parse(s).IsForTranscoders), b.Bundle.Manifest.Sites);
        using ActivationCache before = ActivationCache.Of(a, tokens), after = ActivationCache.Of(b, tokens);
        Assert.Equal(before.Logits(4).ToArray(), after.Logits(4).ToArray());
        Assert.Contains("blocks.0.attn.hook_z", a.Bundle.Manifest.Hooks);
    }

    [Fact]
    public void The_residual_stream_between_the_sublayers_is_what_attention_adds_to_it()
    {
        var bundle = Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { FurtherSites = [SiteKind.ResidMid] });
        using var model = LoadedModel.Open(bundle, null, new RunContext(threads: 1));
        using var run = ActivationCache.Of(model, s_tokens);
        var sum = run["0.resid"].ToArray().Zip(run["0.attn"].ToArray(), (x, y) => x + y);
        Assert.All(sum.Zip(run["0.resid_mid"].ToArray()), p => Assert.Equal(p.First, p.Second, 1e-6f));
    }

    /// <summary>Naive ablation, resumed from the site, against whole forward passes of model.onnx.</summary>
    [Fact]
    public void Exact_ablation_at_further_sites_equals_whole_passes()
    {
        var bundle = Bundle(["blocks.0.attn.hook_z", "blocks.0.hook_resid_mid", "blocks.1.attn.hook_z", "blocks.1.hook_resid_post"]);
        using var model = LoadedModel.Open(bundle, null, new RunContext(threads: 1));
        var graph = AblationFinder.Find(model, s_tokens, new AblationOptions(Positions: AblationPositions.Each).KeepingAll());
        using var slow = new SlowAblation(model, s_tokens);
        foreach (var site in model.Selected.SkipLast(1))
        {
            var nodes = graph.Nodes.Where(n => n.Site == site && float.IsFinite(n.Effect)).ToList();
            Assert.NotEmpty(nodes);
            foreach (var node in nodes)
            {
                var at = (graph.Metric.Position * model.VocabularySize) + graph.Metric.Target;
                var change = slow.LogitsAfter(site, node.Feature, [node.Position], 0)[at] - slow.CleanLogits[at];
                Assert.Equal(change, node.Effect, 1e-4f);
            }
        }
    }

    [Theory, InlineData("z", 2), InlineData("resid_mid", 2), InlineData("1.z", 1), InlineData("0.resid_mid", 1), InlineData("attn", 2),
        InlineData("blocks.1.attn.hook_z", 1), InlineData("hook_z", 2), InlineData("attn_out", 2), InlineData("mlp_out", 2),
        InlineData("resid_pre", 2), InlineData("resid_post", 2), InlineData("resid", 3)]
    public void Further_sites_are_chosen_by_kind_short_name_and_hook_name(string name, int count)
    {
        var bundle = ModelBundle.Open(
            Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { FurtherSites = [SiteKind.Z, SiteKind.ResidMid] }));
        Assert.Equal(count, bundle.SitesNamed([name]).Count);
    }

    public void Dispose() => _directory.Dispose();

    private string Bundle(IEnumerable<string> sites)
    {
        var i = 0;
        foreach (var site in sites) DictionaryFiles.Random(site, width: 16, features: 24, seed: i++).Write(_directory[$"dictionaries/{i}"]);
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["dictionaries"]], _directory["bundle"]));
        return _directory["bundle"];
    }
}
