using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Bench;

/// <summary>
/// Whether a certificate's bounds hold: on random models so small that everything that a graph has dropped is measured too.
/// 1. Random models of three architectures, more or less far from linear; ten prompts on each, every other one with a patch run, under
///    changing metrics, with few or many nodes kept.
/// 2. Each graph gets its certificate, with so few samples that most of what was dropped is not measured.
/// 3. Every dropped node is really patched and every dropped edge followed: do the bounds hold, and by how much?
/// </summary>
internal static class CoverageBenchmark
{
    private static readonly string[] s_models = ["gpt2", "gpt_neox", "llama"];
    private static readonly float[] s_gains = [1, 3, 10];
    private static readonly MetricKind[] s_metrics = [MetricKind.LogitDiff, MetricKind.Logit, MetricKind.Logprob, MetricKind.Prob];

    /// <summary>Bounds of random graphs beside what they bound: the same graphs for the same numbers.</summary>
    public static List<CoveredGraph> Measure(int graphs, CoverageSize size, RunContext context, Action<string> progress)
    {
        var covered = new List<CoveredGraph>();
        for (var m = 0; covered.Count < graphs; m++)
        {
            using var place = new TemporaryPlace();
            var shape = new SyntheticShape(2, 32, 4, 300, 16, 64, size.ActiveFeatures)
            {
                ModelType = s_models[m % s_models.Length],
                SharedHeads = s_models[m % s_models.Length] == "llama" ? 2 : 0,
                Seed = m,
                Gain = s_gains[m / s_models.Length % s_gains.Length],
            };
            using var model = LoadedModel.Open(RandomModel.Prepare(place.Path, shape, _ => { }, context.Cancel), null, context);
            for (var i = 0; i < size.PerModel && covered.Count < graphs; i++)
            {
                progress($"graph {covered.Count + 1:N0} of {graphs:N0}");
                covered.Add(Measure(model, covered.Count, size));
            }
        }
        return covered;
    }

    private static CoveredGraph Measure(LoadedModel model, int number, CoverageSize size)
    {
        var random = new Random(number);
        int[] Prompt() => [.. Enumerable.Range(0, size.Tokens).Select(_ => random.Next(256))];
        var (tokens, patch) = (Prompt(), number % 2 == 0 ? null : Prompt());
        var options = new GraphOptions(new(s_metrics[number / 2 % s_metrics.Length]), TopNodes: number % 3 == 0 ? 20 : 5, TopEdges: 200)
        {
            Refine = 0,
        };
        var graph = GraphFinder.Find(model, tokens, patch, options);
        var state = PatchingState.Run(model, tokens, patch, options);
        state.Expand();
        using var clean = state.Start();
        var (held, pairs) = (new CheckedGraph(graph.Nodes, graph.Edges), new SiteGraph(model).Pairs(options.Metric.Kind));
        var certificate = new CertificateFinder(state, clean, held, new CertificatePlan(size.Samples, number, null))
            .Find(pairs, new JudgedEstimator(options.Method, options.Estimator, options.Steps), null);
        int[] dropped = [.. Enumerable.Range(0, graph.Nodes.Count).Where(i => !graph.Nodes[i].Kept)];
        int[] all = [.. Enumerable.Range(0, graph.Nodes.Count)];
        var others = new DroppedPairs(held, pairs, all, all, state.Metric.Position).Draw(int.MaxValue, random);
        var edges = new ExactEdges(state, clean, graph.Nodes).Measure(others);
        return new CoveredGraph(CoveredBound.Of(certificate.Nodes!, ExactEffects.Of(state, clean, dropped)),
            CoveredBound.Of(certificate.Edges!, [.. edges.Select(e => e.Effect)]), certificate.Rows, certificate.Sizes);
    }
}

/// <summary>How large the random graphs are.</summary>
/// <param name="PerModel">Graphs on each model.</param>
/// <param name="Tokens">Of a prompt.</param>
/// <param name="ActiveFeatures">Per position and site, about.</param>
/// <param name="Samples">Of a certificate; twice as many are fewer than the nodes dropped, or nothing would be left to bound.</param>
internal sealed record CoverageSize(int PerModel, int Tokens, int ActiveFeatures, int Samples)
{
    public static CoverageSize Usual { get; } = new(10, 8, 10, 140);
}

/// <summary>A certificate of one graph beside the truth.</summary>
/// <param name="Rows">That the certificate took.</param>
internal sealed record CoveredGraph(CoveredBound Nodes, CoveredBound Edges, int Rows, IReadOnlyList<SubsetSize> Sizes);

/// <summary>Bounds on what was dropped beside the truth, of the nodes or the edges of one graph.</summary>
/// <param name="Largest">The largest |effect| of all dropped ones.</param>
/// <param name="ShareAbove">The share of all that is above the bound's threshold.</param>
/// <param name="ShareLarger">The share of all that is larger than the largest that was measured.</param>
internal sealed record CoveredBound(MissedBound Bound, double Largest, double ShareAbove, double ShareLarger)
{
    /// <summary>What is dropped and can do nothing is no part of the share.</summary>
    public static CoveredBound Of(MissedBound bound, float[] effects)
    {
        double Share(double limit) => (double)effects.Count(e => Math.Abs((double)e) > limit) / bound.Dropped;
        return new CoveredBound(bound, effects.Max(e => Math.Abs((double)e)), Share(bound.Threshold), Share(bound.Largest));
    }

    public bool HoldsBound => Bound.Bound is not { } most || Largest <= most;

    public bool HoldsShare => ShareAbove <= Bound.ShareBound;

    public bool HoldsLarger => ShareLarger <= Bound.LargerShareBound;
}
