using System.Globalization;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>Features that are set to values, active or not, against PyTorch in float64 (2e-5, as circuits), and what has to hold
/// whatever the values.</summary>
public sealed class SetValuesTests : IDisposable
{
    private const double Tolerance = 2e-5;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("random2-set"), InlineData("tiny-set")]
    public void Logits_and_metrics_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var model = GoldenCircuit.OpenModel(golden, _directory);
        // as the command line writes them
        var text = string.Join(';', golden.Facts["set"]!.AsArray().Select(g => string.Create(CultureInfo.InvariantCulture,
            $"{g![0]}:{g[2]}={(double)g[3]!}{(g[1] is { } p ? $"@{p}" : "")}")));
        var circuit = CircuitSource.OfValues(text).Circuit(model);
        foreach (var (metric, expected) in golden.Facts["set_metrics"]!.AsObject())
        {
            var options = new CircuitAblationOptions(Metric: new(GoldenCircuit.Metric(metric), golden.Position, golden.Target, golden.Foil),
                Controls: 2);
            var found = CircuitAblation.Run(model, golden.Tokens, circuit, options);
            GoldenCircuit.Close((double)expected!, found.AblatedMetric, Tolerance, $"{name} {metric}");
            double[] logits = golden["set/logits"], exp = [.. logits.Select(l => Math.Exp(l - logits.Max()))];
            GoldenTests.Close([.. exp.Select(e => e / exp.Sum())], found.Ablated.Select(p => (float)p), Tolerance, $"{name} probabilities");
        }
    }

    [Fact]
    public void What_a_feature_has_already_changes_nothing_and_a_share_of_it_is_what_scaling_does()
    {
        using var golden = GoldenCase.Open("random2-set");
        using var model = golden.OpenModel(_directory);
        using var clean = ActivationCache.Of(model, golden.Tokens);
        var site = model.Selected[0];
        var encoding = clean.Encode(site);
        var last = golden.Tokens.Length - 1;
        var nodes = encoding.Features[last].Select(f => new CircuitNode(site, last, f)).ToList();
        var options = new CircuitAblationOptions(Metric: new(default, golden.Position, golden.Target, golden.Foil), Controls: 1);
        CircuitAblation Set(float share) => CircuitAblation.Run(model, golden.Tokens,
            new Circuit(nodes.Select(n => n with { Value = share * encoding.ActivationOf(last, n.Feature) })), options);
        Assert.Equal(Set(1).CleanMetric, Set(1).AblatedMetric, 1e-5);
        Assert.Equal(CircuitAblation.Run(model, golden.Tokens, new Circuit(nodes), options with { Coefficient = 0.5f }).AblatedMetric,
            Set(0.5f).AblatedMetric, 1e-5);
        Assert.NotEqual(Set(1).AblatedMetric, Set(0).AblatedMetric, 1e-3);
    }

    [Fact]
    public void Controls_are_set_to_the_same_values_and_a_place_counts_before_all_places()
    {
        using var golden = GoldenCase.Open("random2-set");
        using var model = golden.OpenModel(_directory);
        using var clean = ActivationCache.Of(model, golden.Tokens);
        var circuit = CircuitText.Parse("0:1=3@2,2=4@2;0:5=6;0:5@1=7;0:6;1:3", model);
        Assert.True(circuit.SetsValues);
        float?[] values = [3, 4, 6, 7, null, null];
        Assert.Equal(values, circuit.Nodes.Select(n => n.Value));
        var controls = new ControlCircuits(clean, circuit);
        foreach (var control in (Circuit[])[controls.Random(1, 2), controls.FirstFeatures()])
        {
            Assert.Equal(values.Order(), control.Nodes.Select(n => n.Value).Order());
            Assert.Equal(circuit.Nodes.CountBy(n => (n.Site, n.Position, n.Value)).OrderBy(p => $"{p.Key}"),
                control.Nodes.CountBy(n => (n.Site, n.Position, n.Value)).OrderBy(p => $"{p.Key}"));
        }
        // 5 and 6 everywhere are 0 and 1, so that position 2 has 2 and 3, and position 1 has 5's number again
        var first = controls.FirstFeatures();
        Assert.Equal(4, ControlCircuits.MostFirst(circuit));
        foreach (var t in Enumerable.Range(0, golden.Tokens.Length))
        {
            Assert.Equal(Enumerable.Range(0, circuit.At(model.Selected[0], t).Features.Length), first.At(model.Selected[0], t).Features);
        }
        var site = model.Selected[0];
        Assert.Equal((7f, null), (Of(1, 5), Of(1, 6)));
        Assert.Equal((6f, 3f), (Of(2, 5), Of(2, 1)));
        float? Of(int position, int feature) =>
            circuit.At(site, position) is var at ? at.Values![Array.IndexOf(at.Features, feature)] : null;
    }

    [Theory]
    [InlineData("0:1=", "'' in '0:1=' of the circuit is no value")]
    [InlineData("0:1=x@2", "'x' in '0:1=x@2' of the circuit is no value")]
    [InlineData("0:1=1e99", "'1e99' in '0:1=1e99' of the circuit is no value")]
    [InlineData("0:error=3", "sets an error node")]
    [InlineData("0:1=3;0:1=4", "feature 1 of blocks.0.hook_resid_pre with two values")]
    public void What_is_no_value_is_told(string text, string words)
    {
        using var golden = GoldenCase.Open("random2-set");
        using var model = golden.OpenModel(_directory);
        Assert.Contains(words, Assert.Throws<CircuitException>(() => CircuitText.Parse(text, model)).Message);
    }

    [Fact]
    public void Features_with_values_are_not_kept()
    {
        using var golden = GoldenCase.Open("random2-set");
        using var model = golden.OpenModel(_directory);
        var circuit = CircuitText.Parse("0:1=3", model);
        Assert.Contains("what is kept stays as it is", Assert.Throws<CircuitException>(() =>
            CircuitAblation.Run(model, golden.Tokens, circuit, new CircuitAblationOptions(Keep: true))).Message);
    }
}
