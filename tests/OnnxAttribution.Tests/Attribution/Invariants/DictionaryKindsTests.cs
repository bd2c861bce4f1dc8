using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Circuits;
using OnnxAttribution.Curves;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Every kind of dictionary, and every normalisation:
/// the laws hold, derivatives are those of the encoder, and ablating does what it says.</summary>
public sealed class DictionaryKindsTests(KindsBundle bundle) : IClassFixture<KindsBundle>
{
    public static TheoryData<string> Sites =>
    [
        "blocks.0.hook_resid_pre", "blocks.0.hook_attn_out", "blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre", "blocks.1.hook_attn_out",
        "blocks.1.hook_mlp_out", "blocks.1.hook_resid_post",
    ];

    [Theory, InlineData("resid"), InlineData("attn,mlp"), InlineData("resid,attn,mlp"),
        InlineData("blocks.0.hook_mlp_out,blocks.1.hook_attn_out"), InlineData("blocks.1.hook_mlp_out")]
    public void Node_effect_equals_the_sum_of_its_edge_effects(string sites)
    {
        using var model = bundle.Open(sites.Split(','));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            foreach (var patch in (int[]?[])[null, bundle.PatchTokens])
            {
                var graph = Random2Bundle.All(model, bundle.Tokens, patch,
                    new GraphOptions(new(MetricKind.LogitDiff), Estimator: estimator));
                Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-4);   // as ConservationTests
                Assert.Contains(graph.Nodes, n => n is { Effect: not 0, IsError: false });
            }
        }
    }

    [Theory, MemberData(nameof(Sites))]
    public void Activations_and_reconstruction_are_those_of_the_formula(string site)
    {
        var reference = KindsBundle.Reference(site);
        using var model = bundle.Open(site);
        var x = Rows(reference.Width, 40);
        var encoding = model.Encoder.Encode(model.SelectedSites[0].Dictionary!, x, 40);
        for (var t = 0; t < 40; t++)
        {
            var row = Array.ConvertAll(x[(t * reference.Width)..((t + 1) * reference.Width)], v => (double)v);
            var f = reference.Encode(row);
            var reconstruction = reference.Decode(f, row);
            // a feature within float32's reach of its threshold may be on either side
            for (var j = 0; j < f.Length; j++) Assert.Equal(f[j], encoding.ActivationOf(t, j), 2e-5);
            for (var k = 0; k < row.Length; k++)
            {
                Assert.Equal(row[k] - reconstruction[k], encoding.Error(t)[k], 2e-5 * (1 + Math.Abs(row[k])));
            }
        }
    }

    /// <summary>The cotangent that an edge into a feature starts from,
    /// against central differences in double of the encoder itself.</summary>
    [Theory, MemberData(nameof(Sites))]
    public void A_features_cotangent_is_the_derivative_of_its_activation(string site)
    {
        const double step = 1e-5;
        var reference = KindsBundle.Reference(site);
        using var model = bundle.Open(site);
        var dictionary = model.SelectedSites[0].Dictionary!;
        var x = Rows(reference.Width, 12);
        var compared = 0;
        for (var t = 0; t < 12; t++)
        {
            var row = x.AsSpan(t * reference.Width, reference.Width).ToArray();
            var at = Array.ConvertAll(row, v => (double)v);
            var active = reference.Encode(at).Index().Where(f => f.Item > 1e-3).Select(f => f.Index).ToArray();
            var columns = dictionary.EncoderColumns(active, 1);
            var differences = new double[active.Length, row.Length];
            for (var k = 0; k < row.Length; k++)
            {
                double[] above = [.. at], below = [.. at];
                above[k] += step;
                below[k] -= step;
                var (up, down) = (reference.Encode(above), reference.Encode(below));
                for (var i = 0; i < active.Length; i++) differences[i, k] = (up[active[i]] - down[active[i]]) / (2 * step);
            }
            for (var i = 0; i < active.Length; i++)
            {
                var cotangent = columns[active[i]].ToArray();
                dictionary.Normalization.PullBack(row, cotangent);
                for (var k = 0; k < row.Length; k++) Assert.Equal(differences[i, k], cotangent[k], 1e-4);
                compared++;
            }
        }
        Assert.InRange(compared, 20, int.MaxValue);
    }

    [Theory, MemberData(nameof(Sites))]
    public void Dashboards_find_the_same_active_features_as_graphs(string site)
    {
        using var model = bundle.Open(site);
        var dictionary = model.SelectedSites[0].Dictionary!;
        var x = Rows(dictionary.Width, 300);
        using var encoder = new DictionaryEncoder(new RunContext(threads: 1), findOnHost: true);
        var rows = new SparseRows();
        encoder.AddActive(dictionary, x, rows);
        var encoding = model.Encoder.Encode(dictionary, x, 300);
        Assert.Equal(300, rows.Rows);
        for (var t = 0; t < 300; t++)
        {
            var found = rows.Activations(t).ToArray();
            Assert.Equal(encoding.Features[t], rows.Features(t).ToArray());
            for (var i = 0; i < found.Length; i++) Assert.Equal(encoding.Activations[t][i], found[i], 1e-5f);
        }
    }

    /// <summary>Against a plain session of model.onnx whose shift is what the formula says a feature adds.</summary>
    [Theory, MemberData(nameof(Sites))]
    public void Ablating_a_feature_takes_away_what_the_formula_adds_for_it(string site)
    {
        var reference = KindsBundle.Reference(site);
        using var session = new PlainSession(bundle.Path);
        using var model = bundle.Open(site);
        var graph = AblationFinder.Find(model, bundle.Tokens, new AblationOptions(Positions: AblationPositions.Each).KeepingAll());
        var x = session.Run(bundle.Tokens, null, 1, site)[site].Values;
        var d = reference.Width;
        float Metric(IReadOnlyDictionary<string, (long[], float[])>? feeds) =>
            session.Run(bundle.Tokens, feeds, 1, "logits")["logits"].Values[(graph.Metric.Position * 257) + graph.Metric.Target];
        var clean = Metric(null);
        var nodes = graph.Nodes.Where(n => n is { IsError: false } && float.IsFinite(n.Effect)).ToList();
        Assert.NotEmpty(nodes);
        foreach (var node in nodes)
        {
            var row = Array.ConvertAll(x[(node.Position * d)..((node.Position + 1) * d)], v => (double)v);
            var f = reference.Encode(row);
            var with = reference.Decode(f, row);
            f[node.Feature] = 0;
            var without = reference.Decode(f, row);
            var shift = new float[x.Length];
            for (var k = 0; k < d; k++) shift[(node.Position * d) + k] = (float)(without[k] - with[k]);
            var change = Metric(new Dictionary<string, (long[], float[])> { [$"{site}.shift"] = ([1, bundle.Tokens.Length, d], shift) })
                - clean;
            Assert.Equal(change, node.Effect, 2e-5f * Math.Abs(clean));
        }
    }

    [Fact]
    public void Keeping_every_node_and_error_leaves_the_model_exactly_as_it_is()
    {
        using var model = bundle.Open();
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        var all = new Circuit(
            model.Selected.SelectMany(s => Enumerable.Range(-1, 41).Select(f => new CircuitNode(s, TokenPosition.All, f))));
        var last = bundle.Tokens.Length - 1;
        float[] logits = [];
        new CircuitPass(clean, Replacements.Zero(clean), coefficient: 1)
            .Run(1, _ => new AblationRow(all, true, ErrorRule.Nodes), last, (_, _, l) => logits = l);
        Assert.Equal(clean.Logits(last).ToArray(), logits);
    }

    /// <summary>The slope of a response curve is the line that the edges give, and the curve itself is made of real runs.</summary>
    [Theory]
    [InlineData("blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"), InlineData("blocks.0.hook_mlp_out", "blocks.1.hook_attn_out"),
        InlineData("blocks.0.hook_attn_out", "blocks.0.hook_mlp_out")]
    [InlineData("blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"), InlineData("blocks.1.hook_mlp_out", "blocks.1.hook_resid_post")]
    public void The_response_curve_leaves_the_clean_run_along_its_line(string up, string down)
    {
        const double step = 1.0 / 64;
        using var model = bundle.Open(up, down);
        using var clean = ActivationCache.Of(model, bundle.Tokens);
        (int Position, int Feature, float Activation) Strongest(string site, int? at = null)
        {
            var encoding = model.Encoder.Encode(model.DictionaryOf(model.Bundle.SiteNamed(site)), clean[site].ToArray(),
                bundle.Tokens.Length);
            return Enumerable.Range(0, bundle.Tokens.Length)
                .Where(p => at is null ? p > 0 : p == at)
                .SelectMany(p => encoding.Features[p].Zip(encoding.Activations[p], (f, a) => (Position: p, Feature: f, Activation: a)))
                .MaxBy(a => a.Activation);
        }
        var from = Strongest(up);
        var curve = CurveFinder.Find(model, bundle.Tokens, new FeatureName(up, from.Feature),
            new FeatureName(down, Strongest(down, from.Position).Feature), [1 - step, 1, 1 + step]);
        var largest = curve.Slope.Max(Math.Abs);
        Assert.True(largest > 1e-3);
        var compared = 0;
        for (var q = 0; q < bundle.Tokens.Length; q++)
        {
            if (curve.Clean[q] == 0 || curve.Activation[0][q] == 0 || curve.Activation[2][q] == 0) continue;   // it switches in between
            // central differences: what is left is of the third order, and float32's rounding over the step
            Assert.Equal((curve.Activation[2][q] - curve.Activation[0][q]) / (2 * step), curve.Slope[q], 0.01 * largest + 5e-4);
            compared++;
        }
        Assert.NotEqual(0, compared);
    }

    private static float[] Rows(int width, int count)
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, width * count).Select(_ => (float)((random.NextDouble() - 0.4) * 4))];
    }
}
