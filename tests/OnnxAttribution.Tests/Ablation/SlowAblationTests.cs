using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bench;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution.Invariants;

namespace OnnxAttribution.Tests.Ablation;

/// <summary>The fast way against whole forward passes of model.onnx, one feature at a time, to 1e-5.</summary>
public sealed class SlowAblationTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    // of the largest activation, or of the largest logit: both sides are float32
    private const double Tolerance = 1e-5;

    public static TheoryData<string, object, object, float> Cases
    {
        get
        {
            var cases = new TheoryData<string, object, object, float>();
            foreach (var sites in (string[])["resid", "resid,attn,mlp", "mlp"])
            {
                foreach (var positions in Enum.GetValues<AblationPositions>())
                {
                    foreach (var measure in Enum.GetValues<AblationMeasure>())
                    {
                        foreach (var c in (float[])[0, 0.5f, -2]) cases.Add(sites, positions, measure, c);
                    }
                }
            }
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Fast_and_slow_agree(string sites, object positionsCase, object measureCase, float coefficient)
    {
        var measure = (AblationMeasure)measureCase;
        var positions = (AblationPositions)positionsCase;
        var model = bundle.Shared(sites);
        Compare(model, bundle.Tokens,
            new AblationOptions(new(MetricKind.Logit), Coefficient: coefficient, Positions: positions, Measure: measure).KeepingAll());
    }

    [Theory, InlineData(MetricKind.Kl), InlineData(MetricKind.Prob), InlineData(MetricKind.LogitDiff)]
    public void They_agree_on_other_metrics_and_positions(MetricKind kind)
    {
        var model = bundle.Shared("resid");
        Compare(model, bundle.Tokens, new AblationOptions(new(kind, Position: 2, Target: 7, Foil: 9)).KeepingAll());
    }

    [Fact]
    public void A_selected_site_without_a_dictionary_stays_as_it_was()
    {
        using var directory = new TemporaryDirectory();
        using var model = PartlyDescribed.Open(directory, ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"],
            "resid", "attn", "mlp");
        Compare(model, bundle.Tokens, new AblationOptions(new(MetricKind.Logit), Positions: AblationPositions.Each).KeepingAll());
    }

    private static void Compare(LoadedModel model, int[] tokens, AblationOptions options)
    {
        var graph = AblationFinder.Find(model, tokens, options);
        using var slow = new SlowAblation(model, tokens);
        var vocabulary = slow.CleanLogits.Length / tokens.Length;
        float[] At(float[] logits) => logits[(graph.Metric.Position * vocabulary)..((graph.Metric.Position + 1) * vocabulary)];
        var clean = At(slow.CleanLogits);
        double Metric(float[] logits) => graph.Metric.Evaluate(At(logits), 1, clean)[0] - graph.Metric.Evaluate(clean, 1, clean)[0];
        var pairs = new SiteGraph(model);
        var largestLogit = Math.Max(1, clean.Max(Math.Abs));
        var edges = graph.Edges.ToDictionary(e => (e.Up, e.Down), e => e.Effect);
        var seen = 0;
        for (var u = 0; u < model.Selected.Count; u++)
        {
            foreach (var (node, i) in graph.Nodes.Select((n, i) => (n, i))
                .Where(p => p.n.Site == model.Selected[u] && IsAblated(p.n, tokens.Length, options)))
            {
                int[] at = node.Position < 0 ? [.. Enumerable.Range(0, tokens.Length)] : [node.Position];
                Near(Metric(slow.LogitsAfter(node.Site, node.Feature, at, options.Coefficient)), node.Effect, largestLogit,
                    $"metric after {node}");
                var direct = pairs.ReachesMetric(u) ? Metric(slow.DirectLogitsAfter(node.Site, node.Feature, at, options.Coefficient)) : 0;
                Near(direct, edges.GetValueOrDefault((i, CausalEdge.Metric)), largestLogit, $"edge of {node} into the metric");
                foreach (var d in pairs.Children(u).Where(d => model.SelectedSites[d].Dictionary is not null))
                {
                    var down = model.Selected[d];
                    var change = slow.FeaturesAfter(node.Site, node.Feature, at, options.Coefficient, down);
                    var width = change.Length / tokens.Length;
                    if (options.Measure == AblationMeasure.Last) Array.Clear(change, 0, change.Length - width);
                    seen += CompareEdges(graph, i, down, change, width);
                }
            }
        }
        Assert.Equal(graph.Edges.Count(e => e.Down != CausalEdge.Metric), seen);
        Assert.True(seen > 0);
    }

    /// <param name="change">[T, width]: what ablating the node really changes downstream; emptied here.</param>
    /// <returns>How many edges there are.</returns>
    private static int CompareEdges(AblationGraph graph, int up, Site down, float[] change, int width)
    {
        var node = graph.Nodes[up];
        var largest = graph.Nodes.Where(n => n.Site == down).Max(n => n.Activation);
        var found = graph.Edges.Where(e => e.Up == up && e.Down != CausalEdge.Metric && graph.Nodes[e.Down].Site == down).ToList();
        foreach (var e in found)
        {
            var n = graph.Nodes[e.Down];
            ref var expected = ref change[(n.Position * width) + n.Feature];
            Near(expected, e.Effect, largest, $"edge {node} -> {n}");
            expected = 0;
        }
        Assert.All(change, rest => Near(0, rest, largest, $"no edge from {node} to {down}"));
        return found.Count;
    }

    private static bool IsAblated(CausalNode node, int positions, AblationOptions options) =>
        node.Activation > 0 && options.Positions switch
        {
            AblationPositions.All => node.Position < 0,
            AblationPositions.Last => node.Position == positions - 1,
            _ => true,
        };

    private static void Near(double expected, float actual, double scale, string what) =>
        Assert.True(Math.Abs(expected - actual) <= Tolerance * scale, $"{what}: slow {expected:g9}, fast {actual:g9} (scale {scale:g4})");
}
