using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>Forward and backward passes of prompts of one length, side by side: weights are read once for all of them, and each prompt's
/// numbers are those of <see cref="ModelPass"/> but for the order in which sums are rounded.</summary>
/// <remarks>The metrics of all prompts are differentiated as one sum: a prompt's activations act on its own metric only.</remarks>
internal static class BatchedPass
{
    /// <summary>Tokens of one call: enough for the runtime's speed, and in all the same on every machine.</summary>
    private const int TokensAtOnce = 128;

    /// <param name="prompts">All as they were checked, of one kind of metric at one position; of any lengths.</param>
    /// <returns>By prompt; a failure is that of its own activations.</returns>
    public static Outcome<ModelPass>[] Run(LoadedModel model, IReadOnlyList<(int[] Tokens, MetricRequest Request)> prompts,
        Estimator estimator)
    {
        var found = new Outcome<ModelPass>[prompts.Count];
        int[][] calls = [.. Calls([.. prompts.Select(p => p.Tokens.Length)])];
        SideBySide.For(model.Context, calls.Length, i =>
        {
            var call = calls[i];
            // alone, a prompt is run as it would be without others
            if (call is [var only])
            {
                var (tokens, request) = prompts[only];
                found[only] = Outcome<ModelPass>.Of(() => ModelPass.Run(model, tokens, request, estimator));
                return;
            }
            Run(model, [.. call.Select(p => prompts[p])], estimator, (row, pass) => found[call[row]] = pass);
        });
        return found;
    }

    /// <summary>The prompts of each call, by their places.</summary>
    /// <param name="lengths">Tokens of each prompt.</param>
    public static IEnumerable<int[]> Calls(IReadOnlyList<int> lengths) => Enumerable.Range(0, lengths.Count)
        .GroupBy(i => lengths[i])
        .SelectMany(g => g.Chunk(Math.Max(1, TokensAtOnce / g.Key)));

    private static void Run(LoadedModel model, IReadOnlyList<(int[] Tokens, MetricRequest Request)> prompts, Estimator estimator,
        Action<int, Outcome<ModelPass>> found)
    {
        var (count, length, kind) = (prompts.Count, prompts[0].Tokens.Length, prompts[0].Request.Kind);
        // kl has gradient 0 at the clean run: a plain logit's pass gives its sites and logits
        var hasGradient = kind != MetricKind.Kl;
        var (runner, graph) = GradientGraphs.Of(model).Batch(hasGradient ? kind : MetricKind.Logit, estimator);
        using var feed = new Feed()
            .AddTokens([.. prompts.SelectMany(p => p.Tokens).Select(t => (long)t)], count)
            .Add(MetricGraph.Position, new long[] { prompts[0].Request.Position ?? length - 1 }, 1)
            .Add(MetricGraph.Target, [.. prompts.Select(p => (long)(p.Request.Target ?? MetricGraph.Own))], count)
            .Add(MetricGraph.Foil, [.. prompts.Select(p => (long)(p.Request.Foil ?? MetricGraph.Own))], count);
        runner.ReturnsMemory = length * count >= ModelPass.LongFrom * 2;
        using var result = runner.Run(feed.Values, runner.Outputs);
        var operations = FlopCount.Of(graph, new Dictionary<string, long> { ["position"] = length, ["batch"] = count }) / count;
        for (var row = 0; row < count; row++)
        {
            var at = new Row(result, row, count);
            found(row, Outcome<ModelPass>.Of(() => new ModelPass
            {
                Tokens = prompts[at.Index].Tokens,
                Metric = at.Floats(MetricGraph.ValueName)[0],
                Target = at.Token(MetricGraph.TargetName),
                Foil = at.Token(MetricGraph.FoilName),
                Logits = FiniteValues.Require(at.Floats(MetricGraph.LogitsName), "the logits"),
                Sites = model.Bundle.Sites.ToDictionary(s => s.Name,
                    s => FiniteValues.Require(at.Floats(s.Name), $"the activations of {s.Name}")),
                Gradients = GradientGraphs.WithGradients(model).ToDictionary(s => s.Name,
                    s => hasGradient && runner.Outputs.Contains(GradientGraphs.GradientName(s))
                        ? FiniteValues.Require(at.Floats(GradientGraphs.GradientName(s)), $"the gradient at {s.Name}")
                        : new float[length * model.WidthOf(s)]),
                Operations = operations,
            }));
        }
    }

    // one prompt's part of what a call has yielded
    private readonly record struct Row(RunResult Result, int Index, int Count)
    {
        public float[] Floats(string name)
        {
            var all = Result.Floats(name);
            var each = all.Length / Count;
            return all.Slice(Index * each, each).ToArray();
        }

        public int Token(string name) => (int)Result.Integers(name)[Index];
    }
}
