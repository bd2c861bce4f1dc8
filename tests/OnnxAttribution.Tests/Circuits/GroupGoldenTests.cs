using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>Groups moved alone, each a row beside the others, their errors too, against PyTorch in float64: what the complement of a
/// circuit is where errors are nodes. Metrics 2e-5, as there.</summary>
public sealed class GroupGoldenTests
{
    private const double Tolerance = 2e-5;

    private static readonly string[] s_groups = ["features", "errors-too"];

    [Theory]
    [InlineData("random2-faithfulness-resid", "zero")]
    [InlineData("random2-faithfulness-resid", "patch")]
    [InlineData("random2-faithfulness-all", "zero")]
    [InlineData("random2-faithfulness-all", "patch")]
    [InlineData("tiny-faithfulness-resid-zero", "zero")]
    public void Metrics_with_a_group_moved_alone_equal_those_of_pytorch(string name, string ablated)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        var groups = s_groups.Select(g => GoldenCircuit.Of(model, golden.Facts["circuits"]![g]!)).ToList();
        var rows = golden.Facts["faithfulness"]!.AsArray().Where(f => (string)f!["ablated"]! == ablated && (string)f["errors"]! == "nodes")
            .ToList();
        Assert.NotEmpty(rows);
        foreach (var metric in rows.Select(f => (string)f!["metric"]!).Distinct())
        {
            var options = new CircuitAblationOptions(Metric: new(GoldenCircuit.Metric(metric), golden.Position, golden.Target, golden.Foil),
                Controls: 1)
            {
                MovesErrors = true,
                Groups = groups,
                GroupPatch = ablated == "patch" ? golden.PatchTokens : null,
            };
            var found = CircuitAblation.Run(model, golden.Tokens, groups[1], options);
            foreach (var f in rows.Where(f => (string)f!["metric"]! == metric))
            {
                var group = Array.IndexOf(s_groups, (string)f!["circuit"]!);
                GoldenCircuit.Close((double)f["m_complement"]!, found.GroupMetrics[group], Tolerance, $"{name} {metric} {s_groups[group]}");
                GoldenCircuit.Close((double)f["m_full"]!, found.CleanMetric, Tolerance, $"{name} {metric} clean");
                // the whole circuit is the larger group, and is scaled whatever the groups are moved to
                if (group != 1 || ablated != "zero") continue;
                GoldenCircuit.Close((double)f["m_complement"]!, found.AblatedMetric, Tolerance, $"{name} {metric} whole");
                Assert.Equal(groups[1].Nodes.Count, found.Size);
            }
        }
    }

    [Fact]
    public void Errors_are_scaled_as_features_are()
    {
        using var golden = GoldenCase.Open("random2-faithfulness-all");
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        var group = GoldenCircuit.Of(model, golden.Facts["circuits"]!["errors-too"]!);
        double Metric(float coefficient) => CircuitAblation.Run(model, golden.Tokens, group, new(coefficient,
            Metric: new(MetricKind.Logprob, golden.Position, golden.Target), Controls: 0)
        {
            MovesErrors = true,
            Groups = [group],
        }) is var r ? r.GroupMetrics[0] - r.CleanMetric : 0;
        Assert.Equal(0, Metric(1));
        Assert.NotEqual(0, Metric(0));
        // close to 1 what is done is linear in what is taken away
        Assert.Equal(2, Metric(0.998f) / Metric(0.999f), 0.02);
    }

    [Fact]
    public void Controls_of_a_circuit_have_its_errors()
    {
        using var golden = GoldenCase.Open("random2-faithfulness-all");
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        var errors = new Circuit(GoldenCircuit.Of(model, golden.Facts["circuits"]!["errors-too"]!).Nodes.Where(n => n.IsError));
        var options = new CircuitAblationOptions(Metric: new(MetricKind.Logprob, golden.Position, golden.Target),
            Controls: 2) { MovesErrors = true };
        var found = CircuitAblation.Run(model, golden.Tokens, errors, options);
        Assert.All(found.ControlMetrics, m => Assert.Equal(found.AblatedMetric, m, 1e-6));
        Assert.NotEqual(found.CleanMetric, found.AblatedMetric, 1e-3);
        // kept, all errors stay
        Assert.Throws<CircuitException>(() => CircuitAblation.Run(model, golden.Tokens, errors, options with { MovesErrors = false }));
    }
}
