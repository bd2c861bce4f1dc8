using System.Text.Json.Nodes;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>Circuits scaled, or all but them, against PyTorch in float64: 1e-5 of the largest, what float32 costs at this size;
/// logits and metrics 2e-5, for all blocks' rounding is in them.</summary>
public sealed class CircuitGoldenTests
{
    private const double ActivationTolerance = 1e-5, LogitTolerance = 2e-5;

    public static TheoryData<string> Cases => ["random2-circuit-resid", "random2-circuit-all", "tiny-circuit"];

    [Theory, MemberData(nameof(Cases))]
    public void Logits_and_activations_after_a_circuit_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        using var clean = ActivationCache.Of(model, golden.Tokens);
        ForEachPlan(golden, model, (plan, circuit, keep, coefficient, _) =>
        {
            using var pass = clean.Intervene();
            foreach (var at in pass)
            {
                // --keep is all other features at once, which no caller lists; the rest is what anybody may write
                if (keep)
                {
                    at.Add(new CircuitEdit(model, at.Site, Replacements.Zero(clean), coefficient)
                        .Changes(at.Current, at.Positions, at.Width, [new AblationRow(circuit, true)]));
                }
                else
                {
                    foreach (var n in circuit.Nodes.Where(n => n.Site == at.Site))
                    {
                        at.Scale(n.Feature, coefficient, n.IsEverywhere ? null : n.Position);
                    }
                }
                var key = $"circuit/{plan}/activation/{at.Site}";
                if (golden.Has(key)) GoldenTests.Close(golden[key], at.Value, ActivationTolerance, $"{name} {key}");
            }
            int[] positions = golden.Shape($"circuit/{plan}/logits").Count() == 1
                ? [golden.Position]
                : [.. Enumerable.Range(0, golden.Tokens.Length)];
            GoldenTests.Close(golden[$"circuit/{plan}/logits"], positions.SelectMany(pass.Logits), LogitTolerance, $"{name} {plan} logits");
        });
    }

    [Theory, MemberData(nameof(Cases))]
    public void Metrics_after_a_circuit_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        ForEachPlan(golden, model, (plan, circuit, keep, coefficient, metrics) =>
        {
            foreach (var (metric, expected) in metrics)
            {
                var options = new CircuitAblationOptions(coefficient, keep,
                    new(GoldenCircuit.Metric(metric), golden.Position, golden.Target, golden.Foil), Controls: 3);
                GoldenCircuit.Close((double)expected!, CircuitAblation.Run(model, golden.Tokens, circuit, options).AblatedMetric,
                    LogitTolerance, $"{name} {plan} {metric}");
            }
        });
    }

    private static void ForEachPlan(GoldenCase golden, LoadedModel model, Action<string, Circuit, bool, float, JsonObject> test)
    {
        var facts = golden.Facts["circuit"]!;
        foreach (var (plan, p) in facts["plans"]!.AsObject())
        {
            test(plan, GoldenCircuit.Of(model, facts[(string)p!["listed"]!]!), (bool)p["keep"]!, (float)p["coefficient"]!,
                p["metric_values"]!.AsObject());
        }
    }
}
