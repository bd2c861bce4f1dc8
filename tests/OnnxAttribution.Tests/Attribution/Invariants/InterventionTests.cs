using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>An ordinary loop over the sites of a pass, and what it may change.</summary>
public sealed class InterventionTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    private const string Middle = "blocks.1.hook_resid_pre", Mlp = "blocks.0.hook_mlp_out";

    [Fact]
    public void A_loop_that_changes_nothing_runs_nothing_and_gives_the_clean_logits()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var expected = clean.Logits(3).ToArray();
        var calls = model.Context.Calls;
        using var pass = clean.Intervene(rows: 2);
        var seen = new List<string>();
        foreach (var site in pass)
        {
            seen.Add(site.Site.Name);
            Assert.Equal([.. clean[site.Site.Name], .. clean[site.Site.Name]], site.Value);
        }
        Assert.Equal([.. expected, .. expected], pass.Logits(3));
        Assert.Equal(model.Selected.Select(s => s.Name), seen);
        Assert.Equal(calls, model.Context.Calls);
    }

    [Fact]
    public void A_changed_site_equals_the_same_scale_and_shift_in_a_plain_session()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        using var session = new PlainSession(bundle.Path);
        using var pass = clean.Intervene();
        float[] Scaled(float[] x) => Array.ConvertAll(x, v => (v * 0.5f) + 0.25f);
        foreach (var site in pass)
        {
            if (site.Site.Name is Mlp or Middle) site.Value = Scaled(site.Value);
        }
        var feeds = new Dictionary<string, (long[], float[])>();
        foreach (var name in (string[])[Mlp, Middle])
        {
            feeds[name + ".scale"] = ([1, 1, 16], Enumerable.Repeat(0.5f, 16).ToArray());
            feeds[name + ".shift"] = ([1, 1, 16], Enumerable.Repeat(0.25f, 16).ToArray());
        }
        var plain = session.Run(bundle.Tokens, feeds, 1, "logits")["logits"].Values;
        for (var p = 0; p < 4; p++) Same(plain.AsSpan(p * 257, 257).ToArray(), pass.Logits(p));
    }

    [Fact]
    public void A_pass_resumes_at_the_first_change_and_computes_nothing_before_it()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        Assert.Equal(7, model.Context.Calls);   // a call per site
        using var pass = clean.Intervene();
        var seen = 0;
        foreach (var site in pass.From(Middle))
        {
            if (seen++ == 0) site.Value = new float[site.Value.Length];
        }
        pass.Logits(3);
        Assert.Equal(4, seen);
        Assert.Equal(7 + 3 + 1, model.Context.Calls);   // attention, MLP and the last residual site of block 1, and the logits
    }

    [Fact]
    public void What_is_scaled_set_or_zeroed_moves_along_its_decoder_row_and_the_error_stays()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        foreach (var site in model.Selected)
        {
            var dictionary = model.DictionaryOf(site)!;
            var encoding = model.Encoder.Encode(dictionary, clean[site.Name].ToArray(), 4);
            var (feature, f) = (encoding.Features[2][0], encoding.Activations[2][0]);
            foreach (var (edit, after) in new (Action<SiteStop>, float)[] { (s => s.Scale(feature, 3, 2, 1), 3 * f),
                (s => s.Set(feature, 0.7f, 2, 1), 0.7f), (s => s.Zero(feature, 2, 1), 0) })
            {
                using var pass = clean.Intervene(rows: 2);
                var at = pass.From(site.Name).First();
                edit(at);
                var change = at.Value;
                for (var r = 0; r < 2; r++)
                {
                    TensorPrimitives.Subtract(change.AsSpan(r * 64, 64), clean[site.Name], change.AsSpan(r * 64, 64));
                }
                var expected = new float[128];
                TensorPrimitives.Multiply(encoding.Decoder[feature], (after - f) * encoding.Scales[2],
                    expected.AsSpan(64 + 32, 16));   // row 1, position 2
                Same(expected, change);
            }
        }
    }

    [Fact]
    public void A_coefficient_of_1_and_an_inactive_feature_change_nothing()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        using var pass = clean.Intervene(rows: 2);
        foreach (var site in pass)
        {
            var encoding = model.Encoder.Encode(model.DictionaryOf(site.Site)!, clean[site.Site.Name].ToArray(), 4);
            var active = encoding.Features.SelectMany(f => f).ToHashSet();
            foreach (var f in active) site.Scale(f, 1);
            foreach (var f in Enumerable.Range(0, 40).Except(active)) site.Zero(f);
        }
        Assert.Equal([.. clean.Logits(3), .. clean.Logits(3)], pass.Logits(3));
    }

    [Fact]
    public void Edits_of_one_feature_follow_one_another()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var feature = model.Encoder.Encode(model.DictionaryOf(Site(model, Middle))!, clean[Middle].ToArray(), 4).Features[2][0];
        float[] After(params Action<SiteStop>[] edits)
        {
            using var pass = clean.Intervene();
            foreach (var at in pass)
            {
                if (at.Site.Name == Middle) foreach (var edit in edits) edit(at);
            }
            return pass.Logits(3);
        }
        Assert.Equal(clean.Logits(3).ToArray(), After(s => s.Scale(feature, 2), s => s.Scale(feature, 0.5f)));
        Same(After(s => s.Set(feature, 0.5f)), After(s => s.Scale(feature, 3, 2), s => s.Set(feature, 0.25f), s => s.Scale(feature, 2)));
    }

    [Fact]
    public void Rows_do_not_see_each_other()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        float[] Run(int rows, Action<SiteStop, int> edit)
        {
            using var pass = clean.Intervene(rows);
            foreach (var at in pass) for (var r = 0; r < rows; r++) edit(at, r);
            return pass.Logits(3);
        }
        void Edit(SiteStop at, int plan, int row)
        {
            for (var f = plan; f < 40; f += 3) at.Scale(f, plan * 0.5f, plan == 1 ? 2 : null, row);
        }
        var together = Run(3, (at, r) => Edit(at, r, r));
        Same(together, [.. Enumerable.Range(0, 3).SelectMany(plan => Run(1, (at, _) => Edit(at, plan, 0)))]);
    }

    [Fact]
    public void A_restored_site_is_clean_and_nothing_is_computed_for_it()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var expected = clean.Logits(3).ToArray();
        var calls = model.Context.Calls;
        using var pass = clean.Intervene();
        foreach (var site in pass)
        {
            site.Value = new float[64];
            site.Zero(3);
            site.Restore();
            Assert.Equal(clean[site.Site.Name], site.Value);
        }
        Assert.Equal(expected, pass.Logits(3));
        Assert.Equal(calls, model.Context.Calls);
    }

    [Fact]
    public void What_cannot_be_changed_is_refused()
    {
        using var model = bundle.Open("attn", "resid");
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        using var pass = clean.Intervene(rows: 2);
        BundleWriterTests.Refused<BundleException>(() => pass.From("blocks.7.hook_resid_pre").First(), "blocks.7.hook_resid_pre",
            "Did you mean");
        BundleWriterTests.Refused<AttributionException>(() => pass.From(Mlp).First(), "not selected", "select it too");
        var at = pass.First();
        BundleWriterTests.Refused<AttributionException>(() => at.Zero(40), "no feature 40", "0 to 39");
        BundleWriterTests.Refused<AttributionException>(() => at.Zero(-1), "no feature -1");
        BundleWriterTests.Refused<AttributionException>(() => at.Zero(1, position: 4), "position 4", "0 to 3");
        BundleWriterTests.Refused<AttributionException>(() => at.Zero(1, row: 2), "no row 2", "0 to 1");
        BundleWriterTests.Refused<AttributionException>(() => at.Set(1, float.NaN), "NaN", "finite");
        BundleWriterTests.Refused<AttributionException>(() => at.Scale(1, float.PositiveInfinity), "finite");
        BundleWriterTests.Refused<AttributionException>(() => at.Value = new float[3], "[4, 16]", "not 3");
        pass.Logits(3);
        // what comes too late would be lost
        Assert.Throws<InvalidOperationException>(() => at.Zero(1));
        Assert.Throws<InvalidOperationException>(() => at.Value = new float[64]);
        Assert.Throws<InvalidOperationException>(at.Restore);
        Assert.Throws<InvalidOperationException>(() => at.Value);
        Assert.Throws<InvalidOperationException>(() => pass.First());
    }

    [Fact]
    public void A_site_without_a_dictionary_can_be_read_and_replaced_but_has_no_features()
    {
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(Random2.Bundle(Random2.Copy(Directory.CreateDirectory(directory["bare"]).FullName),
            directory["bundle"]), [], new OnnxAttribution.Runtime.RunContext(threads: 1));
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        using var pass = clean.Intervene();
        var at = pass.First();
        BundleWriterTests.Refused<AttributionException>(() => at.Zero(1), "no dictionary");
        at.Value = new float[64];
        Assert.NotEqual(clean.Logits(3).ToArray(), pass.Logits(3));
    }

    private static Site Site(LoadedModel model, string name) => model.Selected.Single(s => s.Name == name);

    // float32 over two blocks, where products of other shapes add in another order
    private static void Same(float[] expected, float[] actual) =>
        GoldenTests.Close(Array.ConvertAll(expected, v => (double)v), actual, 2e-6, "value", Math.Max(1, expected.Max(Math.Abs)));
}
