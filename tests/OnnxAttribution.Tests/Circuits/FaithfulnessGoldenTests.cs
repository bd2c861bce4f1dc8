using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>m(C), m of the complement, m(∅) and the ratios against PyTorch in float64, every ablation with every rule;
/// all rows of an ablation side by side.</summary>
public sealed class FaithfulnessGoldenTests
{
    // metrics 2e-5; |m(M) − m(∅)| is at least 0.1 in the goldens, so that a ratio has at most some ten times that
    private const double ActivationTolerance = 1e-5, MetricTolerance = 2e-5, RatioTolerance = 4e-4;

    public static TheoryData<string> Cases => ["random2-faithfulness-resid", "random2-faithfulness-all", "tiny-faithfulness-resid-zero"];

    [Theory, MemberData(nameof(Cases))]
    public void Faithfulness_and_completeness_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        using var clean = ActivationCache.Of(model, golden.Tokens);
        foreach (var cases in golden.Facts["faithfulness"]!.AsArray()
            .GroupBy(f => (Ablated: (string)f!["ablated"]!, Metric: (string)f["metric"]!)))
        {
            var values = Values(golden, model, clean, cases.Key.Ablated);
            var metric = new Metric(GoldenCircuit.Metric(cases.Key.Metric), golden.Position, golden.Target, golden.Foil);
            var rows = new List<AblationRow>();
            foreach (var f in cases)
            {
                var rule = Enum.Parse<ErrorRule>((string)f!["errors"]!, ignoreCase: true);
                var circuit = GoldenCircuit.Of(model, golden.Facts["circuits"]![(string)f["circuit"]!]!);
                rows.AddRange([new AblationRow(circuit, true, rule), new AblationRow(circuit, false, rule),
                    new AblationRow(Circuit.Empty, true, rule)]);
            }
            var full = metric.Evaluate(clean.Logits(golden.Position).ToArray(), 1, clean.Logits(golden.Position))[0];
            var found = new CircuitPass(clean, values).Metrics(rows.Count, i => rows[i], metric);
            foreach (var (i, f) in cases.Index())
            {
                var what = $"{name} {f!["circuit"]} {cases.Key} {f["errors"]}";
                var point = new FaithfulnessPoint(default, default, null, 0, 0, found[3 * i], found[(3 * i) + 1], found[(3 * i) + 2], full);
                void Same(string key, double value, double tolerance) =>
                    GoldenCircuit.Close((double)f[key]!, value, tolerance, $"{what} {key}");
                Same("m_circuit", point.Circuit, MetricTolerance);
                Same("m_complement", point.Complement, MetricTolerance);
                Same("m_empty", point.Empty, MetricTolerance);
                Same("m_full", point.Full, MetricTolerance);
                Same("faithfulness", point.Faithfulness, RatioTolerance);
                Same("completeness", point.Completeness, RatioTolerance);
            }
        }
    }

    [Theory, InlineData("random2-faithfulness-resid"), InlineData("random2-faithfulness-all")]
    public void Logits_and_ablated_values_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = GoldenCircuit.OpenModel(golden, directory);
        using var clean = ActivationCache.Of(model, golden.Tokens);
        foreach (var kind in (string[])["zero", "patch", "mean"])
        {
            var values = Values(golden, model, clean, kind);
            foreach (var site in model.Selected.Where(s => golden.Has($"ablated/{kind}/features/{s}")))
            {
                var features = Enumerable.Range(0, golden.Tokens.Length)
                    .SelectMany(t =>
                        Enumerable.Range(0, model.DictionaryOf(site)!.FeatureCount).Select(f => values.At(site, t).Activation(f)));
                GoldenTests.Close(golden[$"ablated/{kind}/features/{site}"], features, ActivationTolerance, $"{kind} features of {site}");
                GoldenTests.Close(golden[$"ablated/{kind}/error/{site}"], Enumerable.Range(0, golden.Tokens.Length)
                    .SelectMany(t => values.At(site, t).Error.ToArray()), ActivationTolerance, $"{kind} errors of {site}");
            }
            foreach (var rule in Enum.GetValues<ErrorRule>())
            {
                foreach (var (listed, nodes) in golden.Facts["circuits"]!.AsObject())
                {
                    var circuit = GoldenCircuit.Of(model, nodes!);
                    AblationRow[] rows = [new(circuit, true, rule), new(circuit, false, rule), new(Circuit.Empty, true, rule)];
                    var key = $"faithfulness/{kind}/{rule.ToString().ToLowerInvariant()}";
                    double[] expected = [.. golden[$"{key}/{listed}/logits"], .. golden[$"{key}/{listed}/complement_logits"],
                        .. golden[$"{key}/empty/logits"]];
                    new CircuitPass(clean, values).Run(rows.Length, i => rows[i], golden.Position,
                        (_, _, logits) => GoldenTests.Close(expected, logits, MetricTolerance, $"{name} {key}/{listed}"));
                }
            }
        }
    }

    private static Replacements Values(GoldenCase golden, LoadedModel model, ActivationCache clean, string kind)
    {
        if (kind == "zero") return Replacements.Zero(clean);
        if (kind == "mean")
        {
            var texts = golden.Facts["mean_texts"]!.AsArray().Select(t => t!["tokens"]!.AsArray().Select(i => (int)i!).ToArray());
            return Replacements.Mean(clean, MeanActivations.Measure(model, texts, bos: golden.Tokens[0]));
        }
        using var patch = ActivationCache.Of(model, golden.PatchTokens!);
        return Replacements.Patch(clean, patch);
    }
}
