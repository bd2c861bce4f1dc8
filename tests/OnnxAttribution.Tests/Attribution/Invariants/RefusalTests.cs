using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>What cannot be answered is refused in one line that says what is wrong and how to fix it.</summary>
public sealed class RefusalTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Fact]
    public void Kl_is_refused_with_attribution_patching_and_allowed_with_the_other_methods()
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(new(MetricKind.Kl))), "kl",
            "gradient 0", "method ig or exact", "--method");
        foreach (var method in (EffectMethod[])[EffectMethod.Ig, EffectMethod.Exact])
        {
            Assert.Contains(Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(new(MetricKind.Kl), method)).Nodes,
                n => n.Effect != 0);
        }
    }

    [Fact]
    public void Atpstar_is_refused_with_kl_and_with_another_estimator()
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens, null,
            new GraphOptions(new(MetricKind.Kl), EffectMethod.Atpstar)), "kl", "gradient 0", "method ig or exact", "--method");
        Refused<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens, null,
            new GraphOptions(Method: EffectMethod.Atpstar, Estimator: Estimator.Relp)),
            "true derivatives", "relp", "method atp", "--method");
    }

    [Fact]
    public void Prompts_of_unequal_length_are_refused_with_both_lengths()
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, [256, 1, 2], [256, 1]), "3 tokens", "patch prompt 2");
    }

    [Fact]
    public void An_empty_prompt_and_one_past_the_context_are_refused()
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, []), "no tokens");
        Refused<AttributionException>(() => Random2Bundle.All(model, [.. Random2Bundle.WholeContext, 1]), "33 tokens", "32");
    }

    [Theory, InlineData(-1), InlineData(4), InlineData(int.MaxValue), InlineData(int.MinValue)]
    public void A_position_outside_the_prompt_is_refused(int position)
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(new(Position: position))),
            $"position {position}", "0 to 3", "--position");
    }

    [Theory, InlineData(-1), InlineData(257), InlineData(int.MinValue)]
    public void A_target_or_foil_that_is_no_token_is_refused(int token)
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(new(Target: token))),
            $"the target {token}", "0 to 256", "--target");
        Refused<AttributionException>(() =>
            Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(new(MetricKind.LogitDiff, Foil: token))),
            $"the foil {token}", "0 to 256", "--foil");
    }

    [Theory, InlineData(-1), InlineData(257)]
    public void A_token_of_the_prompt_outside_the_vocabulary_is_refused(int token)
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() => Random2Bundle.All(model, [256, token]), $"{token}", "0 to 256");
        Refused<AttributionException>(() => Random2Bundle.All(model, [256, 3], [256, token]), $"{token}", "0 to 256");
    }

    [Fact]
    public void Integrated_gradients_without_a_step_are_refused()
    {
        using var model = bundle.Open("resid");
        Refused<AttributionException>(() =>
            Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(Method: EffectMethod.Ig, Steps: 0)), "0 steps", "--steps");
    }

    [Theory, InlineData("blocks.1.hook_mlp", "blocks.1.hook_mlp_out"), InlineData("blocks.0.attn_out", "blocks.0.hook_attn_out"),
        InlineData("residual", ""), InlineData("resid,attn", ""), InlineData("", "")]
    public void An_unknown_site_is_refused_with_the_nearest(string name, string nearest) =>
        Refused<BundleException>(() => bundle.Open(name).Dispose(), $"'{name}'", $"Did you mean '{nearest}");

    [Theory, InlineData("7.mlp"), InlineData("2.attn"), InlineData("blocks.9.hook_resid_pre")]
    public void A_layer_that_the_model_lacks_is_refused_with_those_it_has(string name) =>
        Refused<BundleException>(() => bundle.Open(name).Dispose(), "it has no layer", "only 0 to 1", "Did you mean");

    [Fact]
    public void Sites_are_selected_in_order_of_computation_whatever_the_order_they_are_named_in()
    {
        using var model = bundle.Open("blocks.1.hook_resid_post", "attn", "blocks.0.hook_resid_post", "blocks.1.hook_attn_out");
        Assert.Equal(["blocks.0.hook_attn_out", "blocks.1.hook_resid_pre", "blocks.1.hook_attn_out", "blocks.1.hook_resid_post"],
            model.Selected.Select(s => s.Name));
    }

    [Theory]
    [InlineData("h.0.mlp.c_proj.weight", "blocks.0.hook_mlp_out")]
    [InlineData("h.1.attn.c_proj.weight", "blocks.1.hook_attn_out")]
    [InlineData("wpe.weight", "blocks.0.hook_attn_out")]
    public void Activations_that_overflow_are_refused_by_the_first_site_that_has_them(string weight, string site)
    {
        using var directory = new TemporaryDirectory();
        // finite weights, so that the export passes; their products are not
        var checkpoint = Random2.Mapped(directory["checkpoint"],
            (name, values) => name == weight ? Array.ConvertAll(values, v => v > 0 ? 3e38f : -3e38f) : values);
        using var model = LoadedModel.Open(Random2.Bundle(checkpoint, directory["bundle"]), [], new RunContext(threads: 1));
        Refused<AttributionException>(() => Random2Bundle.All(model, bundle.Tokens), $"the activations of {site}");
    }

    [Fact]
    public async Task A_run_that_is_cancelled_in_the_middle_or_before_it_begins_makes_no_further_call()
    {
        using var at = new CancellationTokenSource();
        using var model = bundle.Open(at.Token);
        Random2Bundle.All(model, bundle.Tokens);   // sessions are made
        var calls = model.Context.Calls;
        var seen = 0;
        var interrupt = Task.Factory.StartNew(() =>
        {
            Patience.Until(() => model.Context.Calls > calls + 3, "the run to be in the middle");
            at.Cancel();
            seen = model.Context.Calls;
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        // minutes, if nobody ended it
        Assert.ThrowsAny<OperationCanceledException>(() =>
            Random2Bundle.All(model, Random2Bundle.WholeContext, null, new GraphOptions(Method: EffectMethod.Ig, Steps: 2_000_000)));
        await interrupt;
        // one may have begun while it was cancelled
        Assert.InRange(model.Context.Calls, calls + 3, seen + 1);
        var then = model.Context.Calls;
        Assert.ThrowsAny<OperationCanceledException>(() => Random2Bundle.All(model, bundle.Tokens));
        Assert.Equal(then, model.Context.Calls);
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            using var late = bundle.Open(at.Token);
            Random2Bundle.All(late, bundle.Tokens);
        });
    }

    private static void Refused<T>(Action act, params string[] parts) where T : Exception => BundleWriterTests.Refused<T>(act, parts);
}
