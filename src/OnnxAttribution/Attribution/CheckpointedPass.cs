using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// A pass over a prompt for which whole passes are too large: it keeps sites, <see cref="Waists"/> where these lie blocks apart, and
/// nothing between them.
/// 1. Forward, site by site, in chunks of positions (<see cref="RowSegment"/>). Where no position reads a later one, a chunk is given
///    nothing behind its last.
/// 2. The metric, and its gradient at the sites that it reads.
/// 3. Back, site by site from the last: what lies inside a segment is computed again for each chunk of positions, and a site's gradient is
///    complete when all that read it have been gone through. Positions at which it is 0 are not run.
/// </summary>
/// <remarks>A session lives as long as its segment is run, so that of weights no more than a segment's are mapped.</remarks>
internal sealed class CheckpointedPass
{
    private readonly LoadedModel _model;
    private readonly int[] _tokens;
    private readonly LocalReplacement? _replacement;
    private readonly IReadOnlyList<Value> _sites;
    private readonly IReadOnlyList<RowSegment> _segments;
    private readonly Dictionary<Value, int> _index;
    private readonly float[]?[] _values, _gradients;
    private readonly Dictionary<string, long> _sizes;
    private readonly CheckpointedSteps _steps;

    public CheckpointedPass(LoadedModel model, int[] tokens, LocalReplacement? replacement)
    {
        (_model, _tokens, _replacement) = (model, tokens, replacement);
        _sizes = LocalReplacement.Sizes(tokens.Length, replacement);
        _steps = new CheckpointedSteps(model, _sizes);
        (_sites, _segments) = (_steps.Sites, _steps.Segments);
        _index = _sites.Select((s, i) => (s, i)).ToDictionary(s => s.s, s => s.i);
        (_values, _gradients) = (new float[_sites.Count][], new float[_sites.Count][]);
    }

    /// <summary>[T, d] of a site of the bundle.</summary>
    public float[] ValueOf(Value site) => _values[_index[site]]!;

    /// <summary>∂m/∂x, [T, d], of a site from the first selected on; null where there is none.</summary>
    public float[]? GradientOf(Value site) => _gradients[_index[site]];

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations { get; private set; }

    /// <summary>Steps 1 and 2.</summary>
    /// <param name="rules">null: no gradient is asked for.</param>
    /// <returns>The metric's value, its logits and tokens (<see cref="MetricGraph"/>); the caller's.</returns>
    public (RunResult Result, MetricGraph Metric) Forward(MetricRequest request, MetricKind kind, GradientRules? rules)
    {
        for (var i = 0; i < _sites.Count; i++) _values[i] = Computed(i);
        var (metric, graph, wanted) = _steps.Metric(kind, rules);
        using var runner = Runner(graph);
        using var feed = Feed(runner, null, []).AddMetric(request, _tokens.Length);
        var result = Run(runner, graph, feed, 1, _tokens.Length);
        foreach (var w in wanted) _gradients[_index[w]] = result.Copy(w.Name + ".grad");
        return (result, metric);
    }

    /// <summary>Step 3.</summary>
    /// <param name="kept">Sites whose gradients are asked for; the others' are dropped when they have been gone through.</param>
    public void Back(GradientRules rules, IReadOnlySet<Value> kept)
    {
        for (var i = _sites.Count - 1; i >= First; i--)
        {
            if (_gradients[i] is not { } cotangent) continue;
            Value[] wanted = [.. _segments[i].Reads.Where(r => _index[r] >= First)];
            int[] rows = [.. Enumerable.Range(0, _tokens.Length).Where(t => RowOf(cotangent, t).ContainsAnyExcept(0f))];
            if (wanted.Length > 0 && rows.Length > 0) PullBack(_segments[i], _segments[i].PullBack(wanted, rules), cotangent, rows);
            if (!kept.Contains(_sites[i])) _gradients[i] = null;
        }
    }

    private int First => _steps.First;

    private float[] Computed(int site)
    {
        var (segment, graph, width) = (_segments[site], _segments[site].Forward(), Width(_sites[site]));
        var rows = new float[_tokens.Length * width];
        using var mixed = Mixed(segment);
        using var runner = Runner(graph);
        int[] all = [.. Enumerable.Range(0, _tokens.Length)];
        foreach (var chunk in Chunks(graph, all, mixed))
        {
            using var feed = Feed(runner, mixed, chunk);
            CutBehind(chunk, mixed, graph, feed);
            using var result = Run(runner, graph, feed, chunk.Length, PositionsOf(chunk, mixed));
            result.Floats(runner.Outputs[0]).CopyTo(rows.AsSpan(chunk[0] * width));
        }
        return rows;
    }

    private void PullBack(RowSegment segment, RowPullBack back, float[] cotangent, int[] rows)
    {
        foreach (var p in back.At.Where(p => p.IsSame)) Add(p.At, cotangent);
        if (back.Rows is not { } graph) return;
        using var mixed = Mixed(segment);
        var sums = new Dictionary<Value, (float[] Sum, long[] Shape)>();
        using (var runner = Runner(graph))
        {
            var width = cotangent.Length / _tokens.Length;
            foreach (var chunk in Chunks(graph, rows, mixed))
            {
                var given = new float[chunk.Length * width];
                for (var n = 0; n < chunk.Length; n++) RowOf(cotangent, chunk[n]).CopyTo(given.AsSpan(n * width));
                using var feed = Feed(runner, mixed, chunk).Add(RowSegment.Cotangents, given, chunk.Length, width);
                CutBehind(chunk, mixed, graph, feed);
                using var result = Run(runner, graph, feed, chunk.Length, PositionsOf(chunk, mixed));
                foreach (var p in back.At)
                {
                    if (p.RowsOutput is { } inRows) AddRows(p.At, chunk, result.Floats(inRows));
                    if (p.WholeOutput is { } whole) Add(p.At, result.Floats(whole));
                }
                foreach (var (at, output) in back.Sums) AddTo(sums, at, result.Floats(output), result.Shape(output));
            }
        }
        if (back.Whole is { } last) AddSums(last.Graph, last.Yields, sums);
    }

    private void AddSums(OnnxGraph graph, IReadOnlyList<(Value At, string Output)> yields,
        Dictionary<Value, (float[] Sum, long[] Shape)> sums)
    {
        using var runner = Runner(graph);
        using var feed = Feed(runner, null, []);
        foreach (var (at, (sum, shape)) in sums) feed.Add(RowPullBack.CotangentOf(at), sum, shape);
        using var result = Run(runner, graph, feed, 1, _tokens.Length);
        foreach (var (at, output) in yields) Add(at, result.Floats(output));
    }

    // at the positions that a chunk was given: the first ones
    private void AddTo(Dictionary<Value, (float[] Sum, long[] Shape)> sums, Value at, ReadOnlySpan<float> part, long[] shape)
    {
        if (!sums.TryGetValue(at, out var s))
        {
            long[] whole = [1, .. at.Shape!.Select(d => FlopCount.Size(d, _sizes))];
            sums[at] = s = (new float[whole.Aggregate((a, b) => a * b)], whole);
        }
        foreach (var (to, from, count) in TensorPrefix.Blocks(s.Shape, shape))
        {
            var sum = s.Sum.AsSpan((int)to, (int)count);
            TensorPrimitives.Add(sum, part.Slice((int)from, (int)count), sum);
        }
    }

    /// <summary>What a segment reads at all positions, and what lets a chunk do without those behind it; null: nothing does.</summary>
    private sealed record MixedValues(RunResult? Values, CausalPrefix? Prefix) : IDisposable
    {
        public void Dispose() => Values?.Dispose();
    }

    private MixedValues Mixed(RowSegment segment)
    {
        if (segment.MixedForward() is not { } graph) return new(null, null);
        using var runner = Runner(graph);
        using var feed = Feed(runner, null, []);
        var result = Run(runner, graph, feed, 1, _tokens.Length);
        return new(result, new AttentionTables(result, _tokens.Length).AreCausal(segment.Prefix) ? segment.Prefix : null);
    }

    private IEnumerable<int[]> Chunks(OnnxGraph graph, int[] rows, MixedValues mixed) =>
        _steps.Chunks(graph, rows, mixed.Prefix is not null);

    private int PositionsOf(int[] chunk, MixedValues mixed) => mixed.Prefix is null ? _tokens.Length : chunk[^1] + 1;

    private void CutBehind(int[] chunk, MixedValues mixed, OnnxGraph graph, Feed feed)
    {
        if (mixed.Prefix is not { } prefix) return;
        foreach (var input in graph.Inputs) feed.Cut(input.Name, prefix.AxesOf(input), PositionsOf(chunk, mixed));
    }

    // weights are not laid out anew: products of many rows gain nothing by it
    private GraphRunner Runner(OnnxGraph graph) => new(graph, _model.Context, _model.Directory, prepack: false);

    private RunResult Run(GraphRunner runner, OnnxGraph graph, Feed feed, int rows, int positions)
    {
        Operations += _steps.Operations(graph, rows, positions);
        return runner.Run(feed.Values, runner.Outputs);
    }

    private Feed Feed(GraphRunner runner, MixedValues? mixed, int[] rows)
    {
        var feed = new Feed().AddTokens(_tokens);
        _replacement?.AddTo(feed);
        for (var i = 0; i < _sites.Count; i++)
        {
            var site = _sites[i];
            if (_values[i] is { } x && runner.Inputs.Contains(site.Name)) feed.Add(site.Name, x, 1, _tokens.Length, Width(site));
        }
        if (mixed?.Values is { } values) foreach (var (name, value) in values) feed.Lend(name, value);
        return rows.Length == 0 ? feed : feed.Add(RowSegment.Positions, Array.ConvertAll(rows, t => (long)t), rows.Length);
    }

    private float[] Gradient(Value at) => _gradients[_index[at]] ??= new float[_tokens.Length * Width(at)];

    // at the first positions
    private void Add(Value at, ReadOnlySpan<float> cotangent)
    {
        var sum = Gradient(at).AsSpan(0, cotangent.Length);
        TensorPrimitives.Add(sum, cotangent, sum);
    }

    private void AddRows(Value at, int[] rows, ReadOnlySpan<float> cotangents)
    {
        var width = Width(at);
        for (var n = 0; n < rows.Length; n++)
        {
            var row = Gradient(at).AsSpan(rows[n] * width, width);
            TensorPrimitives.Add(row, cotangents.Slice(n * width, width), row);
        }
    }

    private ReadOnlySpan<float> RowOf(float[] x, int position) =>
        x.AsSpan(position * (x.Length / _tokens.Length), x.Length / _tokens.Length);

    private static int Width(Value site) => (int)site.Shape![^1].Size!.Value;
}
