using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// A pass over a prompt for which whole passes are too large: it keeps sites and nothing between them.
/// 1. Forward, site by site, in chunks of positions (<see cref="RowSegment"/>).
/// 2. The metric, and its gradient at the sites that it reads.
/// 3. Back, site by site from the last: what lies inside a segment is computed again for each chunk of positions, and a site's gradient is
///    complete when all that read it have been gone through. Positions at which it is 0 are not run.
/// </summary>
/// <remarks>A session lives as long as its segment is run, so that of weights no more than a segment's are mapped.</remarks>
internal sealed class CheckpointedPass(LoadedModel model, int[] tokens, LocalReplacement? replacement)
{
    private readonly IReadOnlyList<Value> _sites = model.AllSites;
    private readonly RowSegment[] _segments = [.. model.AllSites.Select(s => RowSegment.Of(s, model.AllSites))];
    private readonly Dictionary<Value, int> _index = model.AllSites.Select((s, i) => (s, i)).ToDictionary(s => s.s, s => s.i);
    private readonly float[]?[] _values = new float[model.AllSites.Count][];
    private readonly float[]?[] _gradients = new float[model.AllSites.Count][];
    private readonly Dictionary<string, long> _sizes = LocalReplacement.Sizes(tokens.Length, replacement);

    /// <summary>[T, d] of a site of the bundle, by index.</summary>
    public float[] ValueOf(int site) => _values[site]!;

    /// <summary>∂m/∂x, [T, d], of a site from the first selected on; null where there is none.</summary>
    public float[]? GradientOf(int site) => _gradients[site];

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations { get; private set; }

    /// <summary>Steps 1 and 2.</summary>
    /// <param name="rules">null: no gradient is asked for.</param>
    /// <returns>The metric's value, its logits and tokens (<see cref="MetricGraph"/>); the caller's.</returns>
    public (RunResult Result, MetricGraph Metric) Forward(MetricRequest request, MetricKind kind, GradientRules? rules)
    {
        for (var i = 0; i < _sites.Count; i++) _values[i] = Computed(i);
        var metric = MetricGraph.Build(model.Graph, kind, _sites);
        var read = Topology.DirectlyReadBy(metric.Value, _sites.ToHashSet());
        Value[] wanted = rules is null ? [] : [.. _sites.Skip(First).Where(read.Contains)];
        var gradients = rules is null ? null : metric.Gradients(rules, wanted, _sites);
        wanted = [.. wanted.Where(w => gradients!.ContainsKey(w))];
        Value[] outputs = [metric.Value, metric.Logits, metric.TargetToken, metric.FoilToken,
            .. wanted.Select(w => metric.G.Identity(gradients![w], w.Name + ".grad"))];
        var graph = new OnnxGraph([model.Graph[ModelBundle.Tokens], .. model.ReplacementInputs, .. _sites, .. metric.Inputs], outputs);
        using var runner = Runner(graph);
        using var feed = Feed(runner, null, []).AddMetric(request, tokens.Length);
        var result = Run(runner, graph, feed, 1);
        foreach (var w in wanted) _gradients[_index[w]] = result.Copy(w.Name + ".grad");
        return (result, metric);
    }

    /// <summary>Step 3.</summary>
    /// <param name="kept">Sites whose gradients are asked for, by index; the others' are dropped when they have been gone through.</param>
    public void Back(GradientRules rules, IReadOnlySet<int> kept)
    {
        for (var i = _sites.Count - 1; i >= First; i--)
        {
            if (_gradients[i] is not { } cotangent) continue;
            Value[] wanted = [.. _segments[i].Reads.Where(r => _index[r] >= First)];
            int[] rows = [.. Enumerable.Range(0, tokens.Length).Where(t => RowOf(cotangent, t).ContainsAnyExcept(0f))];
            if (wanted.Length > 0 && rows.Length > 0) PullBack(_segments[i], _segments[i].PullBack(wanted, rules), cotangent, rows);
            if (!kept.Contains(i)) _gradients[i] = null;
        }
    }

    private int First => model.SiteIndex(GradientGraphs.WithGradients(model).First().Name);

    private float[] Computed(int site)
    {
        var (segment, graph, width) = (_segments[site], _segments[site].Forward(), Width(_sites[site]));
        var rows = new float[tokens.Length * width];
        using var mixed = Mixed(segment);
        using var runner = Runner(graph);
        int[] all = [.. Enumerable.Range(0, tokens.Length)];
        foreach (var chunk in Chunks(graph, all))
        {
            using var feed = Feed(runner, mixed, chunk);
            using var result = Run(runner, graph, feed, chunk.Length);
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
            var width = cotangent.Length / tokens.Length;
            foreach (var chunk in Chunks(graph, rows))
            {
                var given = new float[chunk.Length * width];
                for (var n = 0; n < chunk.Length; n++) RowOf(cotangent, chunk[n]).CopyTo(given.AsSpan(n * width));
                using var feed = Feed(runner, mixed, chunk).Add(RowSegment.Cotangents, given, chunk.Length, width);
                using var result = Run(runner, graph, feed, chunk.Length);
                foreach (var p in back.At)
                {
                    if (p.RowsOutput is { } inRows) AddRows(p.At, chunk, result.Floats(inRows));
                    if (p.WholeOutput is { } whole) Add(p.At, result.Floats(whole));
                }
                foreach (var (at, output) in back.Sums)
                {
                    if (sums.TryGetValue(at, out var s)) TensorPrimitives.Add(s.Sum, result.Floats(output), s.Sum);
                    else sums[at] = (result.Copy(output), result.Shape(output));
                }
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
        using var result = Run(runner, graph, feed, 1);
        foreach (var (at, output) in yields) Add(at, result.Floats(output));
    }

    private RunResult? Mixed(RowSegment segment)
    {
        if (segment.MixedForward() is not { } graph) return null;
        using var runner = Runner(graph);
        using var feed = Feed(runner, null, []);
        return Run(runner, graph, feed, 1);
    }

    private IEnumerable<int[]> Chunks(OnnxGraph graph, int[] rows) =>
        rows.Chunk(PassMemory.RowsPerRun(graph, _sizes, rows.Length, model.Context.MemoryBudget));

    // weights are not laid out anew: products of many rows gain nothing by it
    private GraphRunner Runner(OnnxGraph graph) => new(graph, model.Context, model.Directory, prepack: false);

    private RunResult Run(GraphRunner runner, OnnxGraph graph, Feed feed, int rows)
    {
        Operations += FlopCount.Of(graph, new Dictionary<string, long>(_sizes) { ["rows"] = rows });
        return runner.Run(feed.Values, runner.Outputs);
    }

    private Feed Feed(GraphRunner runner, RunResult? mixed, int[] rows)
    {
        var feed = new Feed().AddTokens(tokens);
        replacement?.AddTo(feed);
        for (var i = 0; i < _sites.Count; i++)
        {
            var site = _sites[i];
            if (_values[i] is { } x && runner.Inputs.Contains(site.Name)) feed.Add(site.Name, x, 1, tokens.Length, Width(site));
        }
        if (mixed is not null) foreach (var (name, value) in mixed) feed.Lend(name, value);
        return rows.Length == 0 ? feed : feed.Add(RowSegment.Positions, Array.ConvertAll(rows, t => (long)t), rows.Length);
    }

    private float[] Gradient(Value at) => _gradients[_index[at]] ??= new float[tokens.Length * Width(at)];

    private void Add(Value at, ReadOnlySpan<float> cotangent)
    {
        var sum = Gradient(at);
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
        x.AsSpan(position * (x.Length / tokens.Length), x.Length / tokens.Length);

    private static int Width(Value site) => (int)site.Shape![^1].Size!.Value;
}
