using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Node effects by AtP*: attribution patching without two of its blind spots.
/// 1. Saturated attention: of a node of the residual stream before a block, the linear share through that block's queries and keys gives
///    way to Σ ∂m/∂A · ΔA, with the attention pattern A computed again from the moved stream, once as query (one row), once as key (one
///    column, each row that reads it normalised again).
/// 2. Cancellation: a backward pass per block in which what the block adds to the stream gets no gradient. The effect's magnitude is the
///    mean of these passes' magnitudes, its sign that of the pass without a drop. A pass that drops the node itself does not count.
/// </summary>
/// <remarks>Kramár et al. 2024 (arXiv:2403.00745), sections 3.1 and 3.2. All passes are rows of one batch; each has its own gradient of the
/// patterns.</remarks>
internal sealed class AtpStarEffects(PatchingState state)
{
    private readonly AtpStarGraphs _graphs = AtpStarGraphs.Of(state.Model);
    private readonly int _positions = state.Tokens.Length;

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations { get; private set; }

    /// <summary>Once found: effects of the pass that drops nothing, attribution patching with queries and keys computed again.</summary>
    public IReadOnlyList<double> Undropped { get; private set; } = [];

    /// <summary>Gives every node its effect by AtP*; gradients stay those of the sites.</summary>
    /// <returns>Floating-point operations that it took.</returns>
    public static long Replace(PatchingState state, List<CausalNode> nodes)
    {
        var found = new AtpStarEffects(state);
        var effects = found.Find();
        for (var i = 0; i < effects.Length; i++) nodes[i] = nodes[i] with { Effect = effects[i], Method = NodeMethods.AtpStar };
        return found.Operations;
    }

    /// <summary>Effects of every node, site by site.</summary>
    /// <exception cref="MemoryBudgetException">Not even one row fits the memory budget.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public float[] Find()
    {
        var count = state.Sites.Sum(s => s.Nodes.Count);
        var (plain, total) = (new double[count], new double[count]);
        var perRun = PassesPerRun();
        for (var first = 0; first <= _graphs.Blocks; first += perRun)
        {
            using var passes = Run(first, Math.Min(perRun, _graphs.Blocks + 1 - first));
            foreach (var site in state.Sites)
            {
                state.Model.Context.Cancel.ThrowIfCancellationRequested();
                var effects = Of(site, passes);
                for (var i = 0; i < site.Nodes.Count; i++)
                {
                    for (var p = 0; p < passes.Count; p++) Add(site, site.FirstNode + i, first + p, effects[(i * passes.Count) + p]);
                }
            }
        }
        Undropped = plain;
        return [.. plain.Zip(total, (sign, size) => (float)(Math.Sign(sign) * size))];

        // pass 0 drops nothing, pass l + 1 what block l adds
        void Add(SiteEffects site, int node, int pass, double effect)
        {
            var own = site.Site.Kind is SiteKind.Resid or SiteKind.ResidMid ? -1 : site.Site.Layer;
            var others = own < 0 ? _graphs.Blocks : _graphs.Blocks - 1;
            if (pass == 0) plain[node] = effect;
            if (others == 0 ? pass == 0 : pass > 0 && pass - 1 != own) total[node] += Math.Abs(effect) / Math.Max(1, others);
        }
    }

    /// <summary>Gradients of some of the passes, side by side.</summary>
    private sealed record Passes(int Count, RunResult Result, IReadOnlySet<string> Outputs) : IDisposable
    {
        public ReadOnlySpan<float> Gradient(string name) => Outputs.Contains(name) ? Result.Floats(name) : default;

        public void Dispose() => Result.Dispose();
    }

    /// <summary>What all of a site's nodes move it by, [nodes, d], and what that does, [nodes, passes].</summary>
    private sealed record Moved(SiteEffects Site, float[] Changes, int Passes)
    {
        public double[] Effects { get; } = new double[Site.Nodes.Count * Passes];
    }

    private Passes Run(int first, int count)
    {
        var (_, runner) = _graphs.Pass(state.Metric.Kind);
        var keep = new float[count * _graphs.Blocks];
        for (var p = 0; p < count; p++)
        {
            for (var l = 0; l < _graphs.Blocks; l++) keep[(p * _graphs.Blocks) + l] = l == first + p - 1 ? 0 : 1;
        }
        using var feed = ModelPass.Inputs(state.Tokens, MetricRequest.Of(state.Metric))
            .Add(AtpStarGraphs.Keep, keep, count, _graphs.Blocks);
        Operations += FlopCount.Of(_graphs.Pass(state.Metric.Kind).Graph, Sizes(count));
        return new Passes(count, runner.Run(feed.Values, runner.Outputs), runner.Outputs.ToHashSet());
    }

    // [nodes, passes]: the metric's gradient times the change, queries and keys computed again
    private double[] Of(SiteEffects site, Passes passes)
    {
        var (d, n) = (site.Width, site.Nodes.Count);
        var moved = new Moved(site, new float[n * d], passes.Count);
        var gradients = passes.Gradient(GradientGraphs.GradientName(site.Site));
        if (gradients.IsEmpty) return moved.Effects;
        for (var i = 0; i < n; i++)
        {
            site.NodeChange(site.Nodes[i].Position, site.Nodes[i].Feature, moved.Changes.AsSpan(i * d, d));
        }
        AddProducts(moved, gradients, 1);
        foreach (var attention in _graphs.Attentions.Where(a => state.Sites[a.Site] == site))
        {
            if (passes.Gradient(attention.ScoresGradient) is not { IsEmpty: false } scores) continue;
            AddProducts(moved, scores, -1);
            var gradientsAt = passes.Gradient(attention.PatternGradient).ToArray();
            for (var side = 0; side < attention.Sides.Count; side++) AddMoves(moved, attention, side, gradientsAt);
        }
        return moved.Effects;
    }

    private void AddProducts(Moved moved, ReadOnlySpan<float> gradients, int sign)
    {
        var (site, passes, d) = (moved.Site, moved.Passes, moved.Site.Width);
        for (var i = 0; i < site.Nodes.Count; i++)
        {
            var change = moved.Changes.AsSpan(i * d, d);
            for (var p = 0; p < passes; p++)
            {
                var g = gradients.Slice(((p * _positions) + site.Nodes[i].Position) * d, d);
                moved.Effects[(i * passes) + p] += sign * (double)TensorPrimitives.Dot(g, change);
            }
        }
    }

    private void AddMoves(Moved moved, AtpStarGraphs.Attention attention, int side, float[] gradients)
    {
        var (site, passes, d) = (moved.Site, moved.Passes, moved.Site.Width);
        var (runner, pattern) = (_graphs.Runner(attention, side), gradients.Length / passes);
        // an unmoved row runs beside
        var perRun = Math.Max(1, RowsPerRun(FlopCount.BytesPer(attention.Sides[side], "whole", Sizes(passes, pattern)),
            "a row of an attention pattern") - 1);
        for (var first = 0; first < site.Nodes.Count; first += perRun)
        {
            var (rows, values) = Rows(moved, first, Math.Min(perRun, site.Nodes.Count - first));
            var moves = new MoveFeed(rows, []);
            using var feed = moves.Of(state.Tokens).Add(AttentionMove.Gradients, gradients, passes, pattern);
            moves.Add(feed, site.Value.Name, values, _positions);
            using var result = runner.Run(feed.Values, [AttentionMove.Effects]);
            var sizes = Sizes(passes, pattern);
            foreach (var (axis, size) in moves.Sizes(_positions)) sizes[axis] = size;
            Operations += FlopCount.Of(attention.Sides[side], sizes);
            var found = result.Floats(AttentionMove.Effects)[passes..];
            for (var i = 0; i < found.Length; i++) moved.Effects[(first * passes) + i] += found[i];
        }
    }

    // the unmoved row, then one per node
    private (PackedRows Rows, float[] Values) Rows(Moved moved, int first, int count)
    {
        var (site, d, rows) = (moved.Site, moved.Site.Width, new PackedRows(0, _positions));
        var values = new float[(_positions + count) * d];
        site.Clean.CopyTo(values, 0);
        for (var i = first; i < first + count; i++)
        {
            var position = site.Nodes[i].Position;
            TensorPrimitives.Add(site.CleanAt(position), moved.Changes.AsSpan(i * d, d), values.AsSpan(rows.Count * d, d));
            rows.Add(rows.Spans.Count, position, 1);
        }
        return (rows, values);
    }

    private Dictionary<string, long> Sizes(int passes, long pattern = 1) => new()
    {
        ["position"] = _positions,
        ["batch"] = 1,
        ["passes"] = passes,
        ["rows"] = 1,
        ["whole"] = 1,
        ["pattern"] = pattern,
    };

    private int PassesPerRun()
    {
        var graph = _graphs.Pass(state.Metric.Kind).Graph;
        return RowsPerRun(FlopCount.BytesPer(graph, "passes", Sizes(1)), "a backward pass");
    }

    private int RowsPerRun(long bytes, string what)
    {
        var budget = state.Model.Context.MemoryBudget;
        if (bytes > budget) throw new MemoryBudgetException(what, budget, bytes);
        return BatchRows.Of(budget, bytes, bytes / sizeof(float), 1);
    }
}
