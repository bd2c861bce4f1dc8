using OnnxAttribution.Bundles;
using OnnxAttribution.Curves;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Curves;

public class ResponseCurveTests
{
    // sublayers that add nothing: the residual stream is what it was
    private static float[] Linear(string name, float[] values) => name.Contains("c_proj") ? new float[values.Length] : values;

    [Theory, InlineData("random2-curve"), InlineData("tiny-curve")]
    public void Curve_and_slope_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        var tiny = name.StartsWith("tiny", StringComparison.Ordinal);
        if (tiny) golden.RequireWeights(Repository.TinyModel);
        using var model = golden.OpenModel(directory, tiny ? Repository.TinyModel : null);
        var asked = golden.Facts["curve"]!;
        double[] coefficients = [.. asked["coefficients"]!.AsArray().Select(c => (double)c!)];
        var curve = CurveFinder.Find(model, golden.Tokens, Name("up"), Name("down"), coefficients);
        GoldenTests.Close(golden["curve/activation"], curve.Activation.SelectMany(a => a), 1e-5, "activation");
        GoldenTests.Close(golden["curve/slope"], curve.Slope, 1e-4, "slope");
        // the cases were chosen so that the downstream feature switches in range
        Assert.Contains(curve.Kinks, b => b.Cause is KinkCause.SwitchesOn or KinkCause.SwitchesOff);

        FeatureName Name(string end) => new((string)asked[end]![0]!, (int)asked[end]![1]!);
    }

    [Fact]
    public void The_slope_at_1_is_that_of_central_differences()
    {
        using var bundle = new CurveBundle((_, values) => values);
        const double h = 1.0 / 64;
        var curve = bundle.Curve(FormattableString.Invariant($"{1 - h},{1 + h}"));
        for (var q = 0; q < CurveBundle.Tokens.Length; q++)
        {
            Assert.Equal((curve.Activation[1][q] - curve.Activation[0][q]) / (2 * h), curve.Slope[q], 1e-3);
        }
        Assert.Contains(curve.Slope, s => Math.Abs(s) > 0.1);
    }

    [Fact]
    public void Coefficient_1_is_the_clean_run_and_what_is_near_it_is_near()
    {
        using var bundle = new CurveBundle((_, values) => values);
        var curve = bundle.Curve("0.999999,1,1.000001");
        Assert.Equal(curve.Clean, curve.Activation[1]);
        for (var q = 0; q < CurveBundle.Tokens.Length; q++)
        {
            Assert.Equal(curve.Clean[q], curve.Activation[0][q], 2e-5);
            Assert.Equal(curve.Clean[q], curve.Activation[2][q], 2e-5);
        }
    }

    [Fact]
    public void A_linear_model_answers_with_the_gradients_line()
    {
        using var bundle = new CurveBundle(Linear);
        var curve = bundle.Curve("-1..2:0.25");
        var moved = Enumerable.Range(0, CurveBundle.Tokens.Length).Where(q => curve.Slope[q] != 0).ToList();
        Assert.NotEmpty(moved);
        foreach (var q in moved)
        {
            Assert.Equal(1, curve.RSquared(q), 1e-8);
            Assert.Equal(0, curve.LargestDifference(q).Difference, 2e-5);
        }
        // attention may turn, but what it adds is nothing: no bend of any other kind
        Assert.DoesNotContain(curve.Kinks, b => b.Cause != KinkCause.Attention);
        Assert.Equal(moved.MaxBy(q => Math.Abs(curve.Slope[q])), curve.StrongestPosition);
    }

    [Fact]
    public void A_feature_scaled_at_one_position_leaves_the_earlier_ones()
    {
        using var bundle = new CurveBundle((_, values) => values);
        var strongest = bundle.Strongest();
        var all = CurveFinder.Find(bundle.Model, CurveBundle.Tokens, strongest, new FeatureName(CurveBundle.Down, 0), [0, 1]);
        var p = Enumerable.Range(0, CurveBundle.Tokens.Length).MaxBy(t => all.Scaled[t]);
        var one = CurveFinder.Find(bundle.Model, CurveBundle.Tokens, strongest with { Position = p },
            new FeatureName(CurveBundle.Down, 0), [0, 1]);
        Assert.Equal([p], Enumerable.Range(0, CurveBundle.Tokens.Length).Where(t => one.Scaled[t] != 0));
        for (var q = 0; q < p; q++) Assert.Equal((one.Clean[q], 0f), (one.Activation[0][q], one.Slope[q]));
        Assert.NotEqual(one.Clean[p], one.Activation[0][p]);
    }

    [Fact]
    public void A_feature_made_to_switch_at_a_coefficient_is_found_there()
    {
        float bias;
        int position;
        bool on;
        using (var open = new CurveBundle(Linear))
        {
            // linear: f(c) = f(1) + slope · (c − 1), so this bias makes it cross 0 at c = 0.55
            var curve = open.Curve("0,1");
            position = curve.StrongestPosition;
            on = curve.Slope[position] > 0;
            bias = 10 - (curve.Clean[position] - (0.45f * curve.Slope[position]));
        }
        using var bundle = new CurveBundle(Linear, bias);
        var found = bundle.Curve("0..1:0.1").Kinks.Where(b => b.Position == position && b.Cause != KinkCause.Attention).ToList();
        Assert.Equal([(6, on ? KinkCause.SwitchesOn : KinkCause.SwitchesOff)], found.Select(b => (b.Step, b.Cause)));
    }

    [Fact]
    public void Attention_switches_are_those_that_a_plain_session_shows()
    {
        // attention eight times as sharp: what a feature does to the stream turns heads
        using var bundle = new CurveBundle((name, values) => name.Contains("c_attn") ? [.. values.Select(v => 8 * v)] : values, bias: 100);
        var curve = bundle.Curve("-2..3:0.25");
        var direction = Direction(bundle, curve);
        using var session = new PlainSession(bundle.Path);
        var (last, expected) = ((int[]?)null, new List<(int, int, int, int, int)>());
        int t = CurveBundle.Tokens.Length, heads = 4;
        for (var i = 0; i < curve.Coefficients.Count; i++)
        {
            var shift = direction.Select(x => x * (float)(curve.Coefficients[i] - 1)).ToArray();
            var pattern = session.Run(CurveBundle.Tokens, new Dictionary<string, (long[], float[])>
            {
                [CurveBundle.Up + ".shift"] = ([1, t, 16], shift)
            }, 1, "blocks.1.attn.hook_pattern")["blocks.1.attn.hook_pattern"].Values;
            var top = Enumerable.Range(0, heads * t).Select(r => Enumerable.Range(0, t).MaxBy(k => pattern[(r * t) + k])).ToArray();
            for (var r = 0; last is not null && r < top.Length; r++)
            {
                if (top[r] != last[r]) expected.Add((i, r / t, r % t, last[r], top[r]));
            }
            last = top;
        }
        Assert.NotEmpty(expected);
        // in the last block a position's own pattern alone can matter to it
        var found = curve.Kinks.Where(b => b.Attention is { Layer: 1 })
            .Select(b => (b.Step, b.Attention!.Head, b.Attention.Query, b.Attention.FromKey, b.Attention.ToKey));
        Assert.Equal(expected.Order(), found.Order());
        Assert.All(curve.Kinks.Where(b => b.Attention is { Layer: 1 }), b => Assert.Equal(b.Position, b.Attention!.Query));
    }

    [Fact]
    public void The_size_of_a_batch_does_not_change_the_curve()
    {
        using var bundle = new CurveBundle((_, values) => values);
        ResponseCurve whole = bundle.Curve("-1..2:0.1"), alone = bundle.CurveWithin(40_000, "-1..2:0.1");
        Assert.True(alone.RuntimeCalls > whole.RuntimeCalls + 5);
        foreach (var (a, b) in whole.Activation.Zip(alone.Activation))
        {
            for (var q = 0; q < a.Length; q++) Assert.Equal(a[q], b[q], 1e-4);
        }
        Assert.Equal(whole.Kinks.Select(b => (b.Step, b.Position, b.Cause)), alone.Kinks.Select(b => (b.Step, b.Position, b.Cause)));
    }

    [Fact]
    public void Coefficients_that_do_not_ascend_are_refused()
    {
        using var bundle = new CurveBundle((_, values) => values);
        foreach (var wrong in (double[][])[[], [1, 1], [1, 0], [0, double.NaN], [0, double.PositiveInfinity]])
        {
            Assert.Throws<ArgumentException>(() =>
                CurveFinder.Find(bundle.Model, CurveBundle.Tokens, bundle.Strongest(), new FeatureName(CurveBundle.Down, 0), wrong));
        }
    }

    private static float[] Direction(CurveBundle bundle, ResponseCurve curve)
    {
        var row = bundle.Model.SelectedSites[0].Dictionary!.DecoderRows([curve.Up.Feature], 1)[curve.Up.Feature].ToArray();
        return [.. curve.Scaled.SelectMany(f => row.Select(w => f * w))];
    }
}
