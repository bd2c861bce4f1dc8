using System.Diagnostics;
using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Direct edges between kept nodes, one batched run per downstream site.
/// 1. A cotangent per downstream node: φ' s_j W_enc[:, j] for a feature (through the dictionary's normalisation);
///    for an error node g minus the cotangents of all active features weighted with their own gradients.
/// 2. A tangent per upstream node: its decoder row, or Δε for an error node.
/// 3. <see cref="SegmentJacobian"/> contracts both: jacobian[d, u].
///    effect = g_d · jacobian · Δ_u, where what is already in a vector is not multiplied again.
/// </summary>
/// <remarks>Marks et al. 2024, App. A.1; design.md, section 1.</remarks>
internal sealed class EdgeFinder(LoadedModel model, IReadOnlyList<SiteEffects> sites, IReadOnlyList<CausalNode> nodes, int[] tokens,
    Estimator estimator)
{
    private readonly int _positions = tokens.Length;
    private readonly Dictionary<Value, SiteEffects> _sites = sites.ToDictionary(s => s.Value);
    private readonly NodeVectors _vectors = new(model, nodes, tokens.Length);

    /// <summary>A segment's session is closed when its edges are found: of weights no more than a segment's stay mapped.</summary>
    public bool ClosesSessions { get; init; }

    /// <summary>Floating-point operations of the runs so far, and of the products with decoder rows.</summary>
    public long Operations { get; private set; }

    /// <summary>Seconds spent on the downstream nodes' cotangents:
    /// reading encoder columns of all active features from the dictionaries.</summary>
    public double CotangentSeconds { get; private set; }

    /// <param name="found">Given each edge as it is found, a downstream site at a time.</param>
    public void Find(Action<CausalEdge> found)
    {
        for (var i = 0; i < sites.Count; i++)
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            if (GradientGraphs.Of(model).Segment(i, estimator) is not { } segment) continue;
            Into(sites[i], segment.Segment, segment.Runner, found);
            foreach (var p in segment.Segment.Parents) _sites[p.Value].ReleaseDecoders();
            sites[i].ReleaseDecoders();
            if (ClosesSessions) GradientGraphs.Of(model).CloseSegment(i, estimator);
        }
    }

    private void Into(SiteEffects down, SegmentJacobian segment, GraphRunner? runner, Action<CausalEdge> found)
    {
        var start = Stopwatch.GetTimestamp();
        var (rows, cotangents) = _vectors.Cotangents(down);
        CotangentSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (rows.Length == 0) return;
        var parents = segment.Parents.Select(p => (Link: p, Up: _vectors.Upstream(_sites[p.Value])))
            .Where(p => p.Up.Nodes.Length > 0)
            .ToList();
        if (parents.Count == 0) return;
        var d = down.ReadWidth;
        var perRun = runner is null ? rows.Length : RowsPerRun(segment, parents.MaxBy(p => p.Up.Nodes.Length).Up, rows.Length);
        if (runner is not null) runner.ReturnsMemory = _positions >= ModelPass.LongFrom && !ClosesSessions;
        for (var first = 0; first < rows.Length; first += perRun)
        {
            var count = Math.Min(perRun, rows.Length - first);
            var chunk = cotangents.AsMemory(first * d, count * d);
            using var result = runner is null
                ? null
                : Run(segment, runner, rows.AsSpan(first, count), chunk, parents.ToDictionary(p => p.Link, p => p.Up));
            var sums = sites.Any(s => s.Writers.Count > 0) ? new EdgeSums(count, parents.SelectMany(p => p.Up.Nodes)) : null;
            foreach (var (link, up) in parents)
            {
                var jacobian = new float[count * up.Nodes.Length];
                if (link.IsIdentity)
                {
                    AddSamePosition(jacobian, chunk.Span, rows.AsSpan(first, count), up, d);
                }
                else if (link.RowsOutput is { } output)
                {
                    AddSamePosition(jacobian, result!.Floats(output), rows.AsSpan(first, count), up, up.Width);
                }
                if (link.PairsOutput is { } pairs) AddPairs(jacobian, result!.Floats(pairs), count);
                if (link.ContractedOutput is { } contracted) AddContracted(jacobian, result!.Floats(contracted), count, up);
                if (sums is null) Write(jacobian, rows.AsSpan(first, count), up.Nodes, found);
                else sums.Add(jacobian, up.Nodes);
            }
            if (sums is not null) Write(sums.Values, rows.AsSpan(first, count), sums.Nodes, found);
        }
    }

    /// <summary>Edges of features that write several sites: the sums over all of these.</summary>
    private sealed class EdgeSums(int rows, IEnumerable<int> nodes)
    {
        public int[] Nodes { get; } = [.. nodes.Distinct().Order()];

        /// <summary>[rows, nodes].</summary>
        public float[] Values { get; private set; } = [];

        public void Add(float[] jacobian, int[] of)
        {
            if (Values.Length == 0) Values = new float[rows * Nodes.Length];
            for (var u = 0; u < of.Length; u++)
            {
                var at = Array.BinarySearch(Nodes, of[u]);
                for (var n = 0; n < rows; n++) Values[(n * Nodes.Length) + at] += jacobian[(n * of.Length) + u];
            }
        }
    }

    private RunResult Run(SegmentJacobian segment, GraphRunner runner, ReadOnlySpan<int> rows, Memory<float> cotangents,
        IReadOnlyDictionary<SegmentJacobian.Parent, UpstreamNodes> parents)
    {
        var positions = new long[rows.Length];
        for (var i = 0; i < rows.Length; i++) positions[i] = nodes[rows[i]].Position;
        long[] distinct = [.. positions.Distinct()];
        var place = distinct.Select((p, i) => (p, i)).ToDictionary(d => d.p, d => (long)d.i);
        using var feed = new Feed()
            .Add(SegmentJacobian.RowPositions, positions, rows.Length)
            .Add(SegmentJacobian.DistinctPositions, distinct, distinct.Length)
            .Add(SegmentJacobian.RowIndex, Array.ConvertAll(positions, p => place[p]), rows.Length)
            .Add(SegmentJacobian.RowCotangents, cotangents, rows.Length, cotangents.Length / rows.Length)
            .AddTokens(tokens);
        foreach (var s in sites.Where(s => runner.Inputs.Contains(s.Value.Name))) feed.Add(s.Value.Name, s.Clean, 1, _positions, s.Width);
        foreach (var link in segment.Parents)
        {
            if (!link.TakesTangents) continue;
            (parents.GetValueOrDefault(link) ?? UpstreamNodes.None(_sites[link.Value].Width, _positions)).AddTo(feed, link);
        }
        var largest = parents.Values.DefaultIfEmpty(UpstreamNodes.None(0, _positions)).MaxBy(u => u.Nodes.Length)!;
        Operations += FlopCount.Of(segment.Graph, largest.Sizes(_positions, rows.Length, distinct.Length));
        return runner.Run(feed.Values, runner.Outputs);
    }

    private int RowsPerRun(SegmentJacobian segment, UpstreamNodes up, int count)
    {
        var budget = model.Context.MemoryBudget;
        var rows = RowsPerRun(segment, up, _positions, budget);
        if (rows >= count || _positions < ModelPass.LongFrom) return rows;
        // a long prompt's runs each compute its keys and values: as many rows as are alive at once, not as are made in all
        return (int)Math.Min(PassMemory.RowsPerRun(segment.Graph, up.Sizes(_positions, 1, 1), count, budget),
            int.MaxValue / sizeof(float) / Math.Max((long)up.Groups.Length * up.SlotCount, up.Nodes.Length + 1));
    }

    /// <summary>How many cotangents go through a segment at once.</summary>
    /// <param name="up">Of the parent with the most nodes.</param>
    /// <exception cref="MemoryBudgetException">Not even one does.</exception>
    internal static int RowsPerRun(SegmentJacobian segment, UpstreamNodes up, int positions, long budget)
    {
        // a row may be the only one of its position
        var perRow = FlopCount.BytesPer(segment.Graph, "rows", up.Sizes(positions, 1, 1))
            + FlopCount.BytesPer(segment.Graph, "distinct", up.Sizes(positions, 1, 1));
        if (perRow > budget) throw new MemoryBudgetException("an edge run", budget, perRow);
        // no tensor of a run may pass 2 GiB
        var widest = Math.Max((long)up.Groups.Length * up.SlotCount, perRow / sizeof(float));
        return (int)Math.Clamp(Math.Min(int.MaxValue / sizeof(float) / widest, budget / perRow), 1, int.MaxValue);
    }

    // edges between nodes of the same position: products of cotangents with tangents
    private void AddSamePosition(float[] jacobian, ReadOnlySpan<float> cotangents, ReadOnlySpan<int> rows, UpstreamNodes up, int d)
    {
        for (var n = 0; n < rows.Length; n++)
        {
            var position = nodes[rows[n]].Position;
            var c = cotangents.Slice(n * d, d);
            for (var u = up.FirstAt[position]; u < up.FirstAt[position + 1]; u++)
            {
                jacobian[(n * up.Nodes.Length) + u] += TensorPrimitives.Dot(c, up.Tangents.AsSpan(u * d, d));
            }
        }
    }

    // [N, U + 1] → [N, U]
    private static void AddPairs(float[] jacobian, ReadOnlySpan<float> pairs, int count)
    {
        var width = jacobian.Length / count;
        for (var n = 0; n < count; n++)
        {
            var row = jacobian.AsSpan(n * width, width);
            TensorPrimitives.Add(row, pairs.Slice(n * (width + 1), width), row);
        }
    }

    // [G, N, S] → [N, U]
    private static void AddContracted(float[] jacobian, ReadOnlySpan<float> contracted, int count, UpstreamNodes up)
    {
        for (var s = 0; s < up.Slots.Length; s++)
        {
            var u = (int)up.Slots[s];
            if (u == up.Nodes.Length) continue;
            var (group, slot) = (s / up.SlotCount, s % up.SlotCount);
            for (var n = 0; n < count; n++)
            {
                jacobian[(n * up.Nodes.Length) + u] += contracted[(((group * count) + n) * up.SlotCount) + slot];
            }
        }
    }

    private void Write(float[] jacobian, ReadOnlySpan<int> rows, int[] upstream, Action<CausalEdge> found)
    {
        var hasPatch = sites.Any(s => s.Patch is not null);
        for (var n = 0; n < rows.Length; n++)
        {
            var down = nodes[rows[n]];
            for (var u = 0; u < upstream.Length; u++)
            {
                var value = jacobian[(n * upstream.Length) + u];
                if (value == 0) continue;
                var from = nodes[upstream[u]];
                var effect = NodeVectors.Effect(value, from, down);
                if (effect == 0 && !model.IsReplaced) continue;
                found(new CausalEdge(upstream[u], rows[n], down.IsError || from.IsError ? float.NaN : value, effect)
                {
                    Weight = model.IsReplaced && !down.IsError ? NodeVectors.Weight(value, from, hasPatch) : float.NaN,
                });
            }
        }
    }
}
